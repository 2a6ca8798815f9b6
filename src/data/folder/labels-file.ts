import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { CsvError, type InfoRecord, parse } from 'csv-parse/sync';
import { MissingPathError, UsageError } from '../../errors.js';
import { FileRefusal, readWholeFile } from '../../files.js';
import { fileKind } from './file-kinds.js';
import { type Part, partOf, some } from './layout.js';

/** One row: the class of an image. */
export interface LabelRow {
  /** Counts from 1; of a row over several lines the last. */
  readonly line: number;
  /** A path, a file name, or either without its extension, as it stands there. */
  readonly file: string;
  /** Empty where the row names none. */
  readonly label: string;
  /** Undefined where no column says it. */
  readonly part: Part | undefined;
}

/** A table of images and their classes, as --labels takes it. */
export interface Labels {
  readonly rows: readonly LabelRow[];
  /** Names of the columns that were taken; null where there is no header. */
  readonly columns: { readonly file: string; readonly label: string } | null;
  /** The column that says the part; undefined where none does. */
  readonly split: string | undefined;
  /** Columns that say nothing here. */
  readonly unused: readonly string[];
}

/** A table of labels on the disk. */
export interface LabelsFile extends Labels {
  /** As the user gave it. */
  readonly path: string;
  /** Of its bytes, in hexadecimal. */
  readonly sha256: string;
}

/** Three times a list of all of ImageNet's images. */
const MAX_BYTES = 200_000_000;

/**
 * Reads a file for --labels.
 * Throws UsageError, with the line where there is one, for whatever keeps it from saying one class for each image.
 */
export async function readLabelsFile(path: string): Promise<LabelsFile> {
  const bytes = await readWholeFile(path, MAX_BYTES).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') {
      throw new MissingPathError(`No such file of labels: ${path}. ${EXPECTED}; check --labels.`, 'labels');
    }
    const why = error instanceof FileRefusal ? error.message : (error.code ?? error.message);
    throw new UsageError(`Cannot read the labels in ${path} (${why}). ${EXPECTED}; check --labels.`);
  });
  const labels = parseLabels(path, decoded(path, bytes));
  return { ...labels, path, sha256: createHash('sha256').update(bytes).digest('hex') };
}

const EXPECTED = 'Expected a CSV file with the columns file,label or file,label,split';

/** The text of a file. Spreadsheets write UTF-8 or UTF-16, with a byte order mark in front. */
function decoded(path: string, bytes: Buffer): string {
  const [first, second] = bytes;
  const encoding = first === 0xff && second === 0xfe ? 'utf-16le' : 'utf-8';
  if (encoding === 'utf-8' && (bytes.includes(0) || bytes.subarray(0, 2).toString('latin1') === 'PK')) {
    throw new UsageError(
      `${path} is no text: ${EXPECTED.toLowerCase()}. Save a spreadsheet as CSV, in UTF-8.`,
    );
  }
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(`${path} is not in UTF-8, so its names cannot be read. Save it as CSV in UTF-8.`);
  }
}

/**
 * What a table of labels says: CSV as RFC 4180 has it, the same with tabs or semicolons, or lines of a path, white space and a class.
 *
 * A header is known by the usual names of its columns; without one the columns are file, label and, if there are three, split.
 * Throws UsageError naming file and line.
 */
export function parseLabels(path: string, text: string): Labels {
  const records = recordsOf(path, text);
  const [first] = records;
  if (first === undefined) throw new UsageError(`${path} holds no rows. ${EXPECTED}.`);
  const header = isHeader(first.fields) ? first.fields : undefined;
  const body = header === undefined ? records : records.slice(1);
  if (body.length === 0) throw new UsageError(`${path} holds a header and no rows. ${EXPECTED}.`);
  const table: Table = { path, header, body };
  const columns = columnsOf(table);
  const { file, label } = columns;
  const rows = body.map(({ line, fields }): LabelRow => {
    const row = {
      line,
      file: (fields[file] ?? '').trim(),
      label: (fields[label] ?? '').trim().normalize('NFC'),
    };
    if (row.file === '') throw new UsageError(`${path}, line ${line}, names no file. ${EXPECTED}.`);
    if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(row.label)) {
      throw new UsageError(
        `${path}, line ${line}: the class ${JSON.stringify(row.label)} holds a line end or another control character. Expected a name; rename it.`,
      );
    }
    return { ...row, part: columns.partIn({ line, fields }) };
  });
  refuseSeveralLabels(path, header?.[label], rows);
  refuseMeasures(path, rows);
  const taken = [file, label, columns.split];
  return {
    rows,
    columns: header === undefined ? null : { file: header[file] ?? '', label: header[label] ?? '' },
    split: columns.split === undefined ? undefined : (header?.[columns.split] ?? 'the third'),
    unused: (header ?? []).filter((name, i) => !taken.includes(i) && !isIndex(name)),
  };
}

/** The fields of one row, and where it ends. */
interface TableRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/** A table that was read, and what is known of it. */
interface Table {
  readonly path: string;
  readonly header: readonly string[] | undefined;
  readonly body: readonly TableRecord[];
}

/** Splits a text into rows of equally many fields. Throws UsageError where quotes or the number of fields are wrong. */
function recordsOf(path: string, text: string): TableRecord[] {
  const [firstLine = ''] = text.trimStart().split(/\r\n|\r|\n/, 1);
  if (/^\s*[[{<]/.test(firstLine)) {
    throw new UsageError(`${path} looks like JSON, HTML or XML. ${EXPECTED}.`);
  }
  const delimiter = delimiterOf(firstLine);
  if (delimiter === undefined) return linesOf(path, text);
  const records: TableRecord[] = [];
  try {
    parse(text, {
      delimiter,
      trim: true,
      skip_empty_lines: true,
      on_record(fields: readonly string[], { lines }: InfoRecord) {
        records.push({ line: lines, fields });
        return null;
      },
    });
  } catch (error) {
    if (error instanceof CsvError) throw badRow(path, error, records);
    throw error;
  }
  return records;
}

/** The delimiter by a table's first line, outside of quotes; undefined where it has none of the three. */
function delimiterOf(line: string): string | undefined {
  const bare = line.replaceAll(/"[^"]*"/g, '');
  const count = (delimiter: string) => bare.split(delimiter).length - 1;
  if (count('\t') > 0) return '\t';
  if (count(',') + count(';') === 0) return undefined;
  return count(';') > count(',') ? ';' : ',';
}

/** Lists as «path class», as Caffe and Places have them: the last word of a line is the class. */
function linesOf(path: string, text: string): TableRecord[] {
  return text.split(/\r\n|\r|\n/).flatMap((content, i): TableRecord[] => {
    if (content.trim() === '') return [];
    const [, file, label] = /^\s*(\S.*?)\s+(\S+)\s*$/.exec(content) ?? [];
    if (file === undefined || label === undefined) {
      throw new UsageError(
        `${path}, line ${i + 1}, has one column: ${JSON.stringify(content.trim().slice(0, 80))}. ${EXPECTED}.`,
      );
    }
    return [{ line: i + 1, fields: [file, label] }];
  });
}

/** @param before the rows before the bad one */
function badRow(path: string, { code, record, lines }: CsvError, before: readonly TableRecord[]): UsageError {
  const line = typeof lines === 'number' ? lines : Number.NaN;
  const at = Number.isNaN(line) ? path : `${path}, line ${line}`;
  if (code === 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH') {
    const found = Array.isArray(record) ? record.length : 'another number of';
    return new UsageError(
      `${at}, has ${found} fields where the first line has ${before[0]?.fields.length ?? 0}. Put a name that holds the separator into double quotes.`,
    );
  }
  if (code === 'CSV_QUOTE_NOT_CLOSED') {
    return new UsageError(
      `${path}, line ${(before.at(-1)?.line ?? 0) + 1}: a double quote is opened and never closed. Close it, or remove it.`,
    );
  }
  return new UsageError(
    `${at}: a double quote stands where none may. Put the whole field into quotes, and write a quote in it twice.`,
  );
}

/** Names of columns, as people and data sets have them, the likelier first; what is no letter or digit does not count. */
const FILE_NAMES = (
  'file filename filepath path imagepath imagefile imagename image img imgpath fname photo picture ' +
  'imageid imgid fileid id name'
).split(' ');
const LABEL_NAMES =
  'label class labelname classname category categoryname target species breed diagnosis dx labels classes tags'.split(
    ' ',
  );
/** These must name parts; the others do so where all their values are names of parts. */
const SPLIT_NAMES = 'split subset partition'.split(' ');
const MAYBE_SPLIT_NAMES = 'set dataset part fold usage'.split(' ');
/** With yes or no for «to validate with», as fastai and timm write it. */
const VALID_NAMES = 'isvalid isval isvalidation'.split(' ');
const KNOWN = new Set([FILE_NAMES, LABEL_NAMES, SPLIT_NAMES, MAYBE_SPLIT_NAMES, VALID_NAMES].flat());

const plain = (name: string) => name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '');
const isImage = (text: string) => fileKind(basename(text.trim())).kind === 'image';
/** A column of row numbers, as pandas writes it. */
const isIndex = (name: string) =>
  name.trim() === '' || /^unnamed: ?\d+$/i.test(name) || plain(name) === 'index';

function isHeader(fields: readonly string[]): boolean {
  return fields.some((field) => KNOWN.has(plain(field))) && !fields.some(isImage);
}

/** The columns of a table by their numbers, and how the part is read. */
interface Columns {
  readonly file: number;
  readonly label: number;
  readonly split: number | undefined;
  readonly partIn: (record: TableRecord) => Part | undefined;
}

/** Throws UsageError where it is not clear which column holds the file and which the class. */
function columnsOf(table: Table): Columns {
  const { path, header, body } = table;
  if (header === undefined) return columnsInOrder(table);
  const file = fileColumn(table);
  const split = splitColumn(table);
  const rest = header.flatMap((name, i) => (i === file || i === split?.column || isIndex(name) ? [] : [i]));
  const [label = rest.length === 1 ? rest[0] : undefined] = byName(header, LABEL_NAMES).filter((i) =>
    rest.includes(i),
  );
  if (label === undefined) {
    const names = rest.map((i) => header[i] ?? '');
    const isOneHot =
      rest.length > 1 && rest.every((i) => body.every(({ fields }) => /^[01](\.0*)?$/.test(fields[i] ?? '')));
    if (isOneHot) {
      throw new UsageError(
        `${path} has a column of 0 and 1 for each class (${some(names, 5)}), as tables for several labels an image have it. ` +
          'Here an image has one class: expected one column with its name, called label.',
      );
    }
    throw new UsageError(
      `${path} has no column that is known to hold the class: ${some(header, 12)}. ` +
        `${EXPECTED}; rename the column that holds it to label.`,
    );
  }
  return { file, label, split: split?.column, partIn: split?.partIn ?? (() => undefined) };
}

function columnsInOrder({ path, body }: Table): Columns {
  const count = body[0]?.fields.length ?? 0;
  if (count !== 2 && count !== 3) {
    throw new UsageError(
      `${path} has ${count} columns and no header that is known. ${EXPECTED}; add a first line that names them.`,
    );
  }
  const split = count === 3 ? 2 : undefined;
  return {
    ...{ file: 0, label: 1, split },
    partIn: split === undefined ? () => undefined : partIn(path, split, 'its third column'),
  };
}

/** Columns whose names are among these, the likelier names first. */
function byName(header: readonly string[], names: readonly string[]): number[] {
  const plainNames = header.map(plain);
  return names.flatMap((name) => plainNames.flatMap((own, i) => (own === name ? [i] : [])));
}

/** Of columns that are called so the first with image names in it, else the likeliest; else the only one with image names. */
function fileColumn({ path, header = [], body }: Table): number {
  const named = byName(header, FILE_NAMES);
  const holdsNames = (i: number) => isImage(body[0]?.fields[i] ?? '');
  const [column = named[0] ?? header.findIndex((_, i) => holdsNames(i))] = named.filter(holdsNames);
  if (column >= 0) return column;
  throw new UsageError(
    `${path} has no column that is known to hold file names: ${some(header, 12)}. ${EXPECTED}; rename the column that holds them to file.`,
  );
}

function splitColumn({ path, header = [], body }: Table) {
  const valuesIn = (column: number) => body.map(({ fields }) => (fields[column] ?? '').trim());
  const [strict] = byName(header, SPLIT_NAMES);
  const [maybe] = byName(header, MAYBE_SPLIT_NAMES).filter((column) =>
    valuesIn(column).every((value) => partOf(value) !== undefined),
  );
  const column = strict ?? maybe;
  if (column !== undefined) return { column, partIn: partIn(path, column, `column ${header[column]}`) };
  const [flag] = byName(header, VALID_NAMES);
  if (flag === undefined) return undefined;
  return {
    column: flag,
    partIn({ line, fields }: TableRecord): Part {
      const value = (fields[flag] ?? '').trim();
      if (/^(true|t|yes|y|1(\.0*)?)$/i.test(value)) return 'valid';
      if (/^(false|f|no|n|0(\.0*)?)$/i.test(value)) return 'train';
      throw new UsageError(
        `${path}, line ${line}: expected true or false in column ${header[flag]} but received ${JSON.stringify(value)}.`,
      );
    },
  };
}

function partIn(path: string, column: number, name: string) {
  return ({ line, fields }: TableRecord): Part => {
    const value = (fields[column] ?? '').trim();
    const part = partOf(value);
    if (part !== undefined) return part;
    throw new UsageError(
      `${path}, line ${line}: expected train, val or test in ${name} but received ${JSON.stringify(value)}.`,
    );
  };
}

/** Throws UsageError where labels are lists of labels: here an image has one. */
function refuseSeveralLabels(path: string, column: string | undefined, rows: readonly LabelRow[]): void {
  const known = new Set(rows.map(({ label }) => label));
  const areTags = column !== undefined && plain(column) === 'tags';
  for (const { line, label } of rows) {
    const marked = label.split(/[|;]/);
    const parts = marked.length > 1 ? marked : label.split(/,\s*|\s+/);
    if (parts.length < 2 || parts.some((part) => part.trim() === '')) continue;
    // A class may be called «golden retriever» or «tench, Tinca tinca»; words that are classes themselves are a list.
    const isList = areTags || marked.length > 1 || parts.every((part) => known.has(part));
    if (!isList) continue;
    throw new UsageError(
      `${path}, line ${line}: "${label}" is a list of ${parts.length} labels. Here an image has one class: ` +
        'expected its name alone. Choose one for each image, or leave these rows out.',
    );
  }
}

/** Throws UsageError where labels are measurements, such as 0.37, and no classes. */
function refuseMeasures(path: string, rows: readonly LabelRow[]): void {
  const isNumber = ({ label }: LabelRow) => label === '' || /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(label);
  const measure = rows.find(({ label }) => /\.\d*[1-9]/.test(label));
  if (measure === undefined || !rows.every(isNumber)) return;
  throw new UsageError(
    `${path}, line ${measure.line}: ${measure.label} is a measurement and no class. Expected names or whole numbers as classes.`,
  );
}
