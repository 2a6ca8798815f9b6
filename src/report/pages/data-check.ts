import type { DataCheckDocument, DuplicateImages, LabelDoubt } from '../../runs/documents.js';
import { joinBlocks, paint, paintLines, paragraph, type ReportLayout } from '../text/layout.js';
import { counted, formatCount, formatDuration, formatFraction } from '../text/numbers.js';
import { table, type TableColumn, tableWidth } from '../text/table.js';
import { lastPart } from '../text/width.js';
import { neverRead } from '../words/data.js';

/** Groups, and images of a list, that a terminal shows; the document and the page have all or more of them. */
const GROUPS = 8;
const MEMBERS = 4;
const IMAGES = 12;
/** Classes in the table: of more, the largest and the smallest. */
const CLASSES = 24;

/** What was checked and what was found, for people. */
export function dataReport(document: DataCheckDocument, layout: ReportLayout): string {
  const { data, dataset, findings, seconds, unreadable } = document;
  const { width, colour } = layout;
  return joinBlocks([
    paragraph(
      `${lastPart(data)}: ${counted(dataset.train + dataset.valid, 'image')} of ${counted(dataset.classes.length, 'class').replace(/classs$/u, 'classes')}, checked in ${formatDuration(seconds)}`,
      width,
    ),
    classTable(document, layout),
    factTable(document, layout),
    unreadable.length === 0
      ? undefined
      : list(
          'cannot be read',
          unreadable.map(({ path, reason }) => `${path}: ${reason}`),
          layout,
        ),
    skippedList(document, layout),
    ...DUPLICATE_LISTS.map(([title, belongs]) =>
      duplicateList(title, document.duplicates.filter(belongs), layout),
    ),
    ...document.odd.flatMap(({ kind, images }) =>
      images.length === dataset.train + dataset.valid
        ? []
        : list(
            `odd: ${kind}`,
            images.map(({ path }) => path),
            layout,
          ),
    ),
    ...labelTables(document, layout),
    [
      paintLines(paragraph(verdictOf(document), width), 'bold', colour),
      ...findings.map(({ serious, text }) =>
        paintLines(paragraph(text, width, serious ? '! ' : '- '), serious ? 'red' : 'yellow', colour),
      ),
    ].join('\n'),
  ]);
}

/** What the findings come to, in a few words. */
export function verdictOf({ findings }: Pick<DataCheckDocument, 'findings'>): string {
  const serious = findings.filter((finding) => finding.serious).length;
  const other = findings.length - serious;
  if (findings.length === 0) return 'Nothing was found that speaks against these data.';
  const more = other === 0 ? '' : `${formatCount(other)} to know of`;
  if (serious === 0) return `Nothing makes results wrong; ${more}:`;
  const things = `${formatCount(serious)} ${serious === 1 ? 'finding makes' : 'findings make'} results wrong`;
  return `${things}${more === '' ? '' : `, ${more}`}:`;
}

/** Duplicates by what they mean, the worst first; each group belongs to one list. */
export const DUPLICATE_LISTS: readonly (readonly [
  title: string,
  belongs: (group: DuplicateImages) => boolean,
])[] = [
  ['the same under several classes', ({ acrossClasses }) => acrossClasses],
  ['the same in training and validation', ({ acrossClasses, acrossParts }) => acrossParts && !acrossClasses],
  ['the same within a class and part', ({ acrossClasses, acrossParts }) => !acrossParts && !acrossClasses],
];

/** The table of classes: training and validation images, and the share of the training images. */
export function classRows({
  dataset: { counts, train },
}: DataCheckDocument): readonly [readonly TableColumn[], string[][]] {
  const number = (header: string): TableColumn => ({ header, align: 'right' });
  const rows = counts.map((count) => [
    count.class,
    formatCount(count.train),
    formatCount(count.valid),
    train === 0 ? '' : `${((100 * count.train) / train).toFixed(1)}%`,
  ]);
  return [[{ header: 'class' }, number('training'), number('validation'), number('share')], rows];
}

function classTable(document: DataCheckDocument, layout: ReportLayout): string {
  const { counts, train, valid } = document.dataset;
  const [columns, all] = classRows(document);
  const order = counts.map((_, i) => i).sort((a, b) => (counts[b]?.train ?? 0) - (counts[a]?.train ?? 0));
  const chosen =
    order.length <= CLASSES ? null : new Set([...order.slice(0, CLASSES / 2), ...order.slice(-CLASSES / 2)]);
  const rows = all.filter((_, i) => chosen?.has(i) ?? true);
  if (chosen !== null) rows.push([`and ${counts.length - rows.length} between`, '', '', '']);
  return table(columns, [...rows, ['all', formatCount(train), formatCount(valid), '']], layout);
}

/** Formats, colours and sizes, a fact a row. */
export function factRows({ formats, colours, sizes, config }: DataCheckDocument): string[][] {
  const told = (parts: DataCheckDocument['formats']) =>
    parts.map(({ name, images }) => `${name} ${formatCount(images)}`).join('; ');
  if (sizes === null) return [];
  const range = ({ least, median, greatest }: NonNullable<typeof sizes>['shortSide']) =>
    least === greatest ? `${least} pixels` : `${least} to ${greatest} pixels, median ${median}`;
  return [
    ['formats', told(formats)],
    ['colours', told(colours)],
    ['short side', range(sizes.shortSide)],
    ['long side', range(sizes.longSide)],
    ['network input', `${config.imageSize} pixels`],
  ];
}

function factTable(document: DataCheckDocument, { width }: ReportLayout): string {
  return factRows(document)
    .map(([name = '', text = '']) => paragraph(text, width, name.padEnd(15)))
    .join('\n');
}

function list(title: string, lines: readonly string[], { width, colour }: ReportLayout): string {
  const shown = lines.slice(0, IMAGES);
  if (lines.length > IMAGES) shown.push(`and ${formatCount(lines.length - IMAGES)} more`);
  return [
    paint(paragraph(title, width), 'bold', colour),
    ...shown.map((line) => paragraph(line, width, '  ')),
  ].join('\n');
}

/** What training skips with the same words. */
function skippedList(document: DataCheckDocument, layout: ReportLayout): string | undefined {
  const lines = neverRead(document).map(({ path, reason }) => `${path}: ${reason}`);
  return lines.length === 0 ? undefined : list('skipped', lines, layout);
}

function duplicateList(
  title: string,
  groups: readonly DuplicateImages[],
  { width, colour }: ReportLayout,
): string | undefined {
  if (groups.length === 0) return undefined;
  const blocks = groups.slice(0, GROUPS).map((group) => {
    const members = group.images.slice(0, MEMBERS).map(({ path }) => path);
    const [first = '', ...others] = members;
    const more = group.images.length - MEMBERS;
    return [
      paragraph(`${first} (${likeness(group)})`, width, '  '),
      ...others.map((path) => paragraph(path, width, '= ')),
      ...(more > 0 ? [`  and ${formatCount(more)} more`] : []),
    ].join('\n');
  });
  if (groups.length > GROUPS) blocks.push(`  and ${counted(groups.length - GROUPS, 'more group')}`);
  return [paint(paragraph(title, width), 'bold', colour), ...blocks].join('\n');
}

/** How alike the images of a group are. */
export function likeness({ kind, similarity, mirrored }: DuplicateImages): string {
  if (kind === 'exact') return 'the same bytes';
  return `${mirrored ? 'mirrored, ' : ''}${formatFraction(similarity, 2)} alike`;
}

/** A list of doubtful labels for a terminal and for a page. */
export function doubtRows(
  doubts: readonly LabelDoubt[],
  severalRuns: boolean,
): readonly [readonly TableColumn[], string[][]] {
  const columns: TableColumn[] = [
    { header: 'file', lost: 'start' },
    { header: 'class' },
    { header: 'taken for' },
    { header: 'probability', align: 'right' },
    { header: 'loss', align: 'right' },
    ...(severalRuns ? [{ header: 'wrong', align: 'right' } as const] : []),
  ];
  const rows = doubts.map(({ path, says, probability, loss, wrong, runs, ...image }) => [
    path,
    image.class,
    says,
    formatFraction(probability),
    formatFraction(loss, 2),
    ...(severalRuns ? [`${wrong} of ${runs}`] : []),
  ]);
  return [columns, rows];
}

function labelTables({ labels }: DataCheckDocument, layout: ReportLayout): (string | undefined)[] {
  if (labels === null) return [];
  const block = (title: string, doubts: readonly LabelDoubt[], severalRuns: boolean) =>
    doubts.length === 0
      ? undefined
      : [
          paintLines(paragraph(title, layout.width), 'bold', layout.colour),
          doubtList(doubts.slice(0, IMAGES), severalRuns, layout),
        ].join('\n');
  return [
    block(
      `doubtful labels: the highest loss of ${counted(labels.valid.length, 'validation image')} taken for another class`,
      labels.valid,
      labels.runs.length > 1,
    ),
    block(
      `doubtful labels: the highest loss of ${counted(labels.train.length, 'other image')} that ${labels.model ?? ''} takes for another class`,
      labels.train,
      false,
    ),
  ];
}

/** A line an image where that fits, else two. */
function doubtList(doubts: readonly LabelDoubt[], severalRuns: boolean, layout: ReportLayout): string {
  const [columns, rows] = doubtRows(doubts, severalRuns);
  if (tableWidth(columns, rows) <= layout.width) return table(columns, rows, layout);
  return rows
    .map(([path = '', own = '', says = '', probability = '', loss = '', wrong]) => {
      const runs = wrong === undefined ? '' : `, ${wrong} runs wrong`;
      const told = `${own}, taken for ${says} with ${probability}; loss ${loss}${runs}`;
      return `${paragraph(path, layout.width)}\n${paragraph(told, layout.width, '  ')}`;
    })
    .join('\n');
}
