import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { SkippedFile } from '../data/folder/image-folder.js';
import { dataFolder } from '../data/folder/scan.js';
import { UsageError } from '../errors.js';
import { exportFiles, requireWrittenFormat } from '../export/model-files.js';
import { makeFolders } from '../files.js';
import {
  type Classified,
  type ListedImage,
  listImages,
  openRunClassifier,
  predict,
  type RunClassifier,
} from '../predict/predict.js';
import { counted, printableJson, printableReport } from '../printable.js';
import { confusionOf } from '../stats/classes.js';
import { exportReport, judgedReport, type PredictedImage, predictionTable } from '../report/pages/models.js';
import { joinBlocks, type ReportLayout } from '../report/text/layout.js';
import { makeWholeFolder, requireWritable, writeFileAtomic } from '../runs/atomic.js';
import { type ExportDocument, type PredictionLine, RUN_FILES, SCHEMA_VERSION } from '../runs/documents.js';
import { readDocument } from '../runs/read-document.js';
import { exportOf } from './closing.js';
import { Exit } from './errors.js';
import { inSession, type RawFlags, type Session } from './session.js';
import { hasPrintedJson, layout, outliveReaders } from './terminal.js';

/**
 * `onecycle predict RUN [FILE|DIR...]`. Exits 0 where every image that was found was classified, 1 where some were
 * skipped.
 */
export function runPredict(run: string, named: readonly string[], flags: RawFlags): Promise<void> {
  return inSession(
    flags,
    async (session) => {
      const { settings, signal, progress, startBackend } = session;
      const { csv, json, top = 1, workers = availableParallelism() } = settings;
      const classifier = await openRunClassifier(run, settings.final ? 'final' : 'best');
      if (classifier.note !== null) progress.emit({ type: 'warning', text: classifier.note });
      if (csv !== undefined) {
        await requireFile(csv);
        // A reader of stdout that has seen enough ends the program, but not before the table is written.
        outliveReaders();
      }
      const names = await allNames(named, signal);
      const { images, skipped } = await listImages(names, classifier.classNames, settings.followLinks);
      if (images.length + skipped.length === 0) {
        throw new UsageError(
          `There are no images in ${names.join(', ')}. Name image files, or folders that hold some.`,
        );
      }
      if (namesNoClass(images)) {
        const text = `No folder of these images has the name of a class of ${run} (${someOf(classifier.classNames)}): their true classes are unknown. Is it the right run?`;
        progress.emit({ type: 'warning', text });
      }
      // A list of missing files needs no engine.
      if (images.length > 0) await startBackend();

      const found: Judged[] = [];
      const failed: SkippedFile[] = [...skipped];
      for await (const batch of predict(classifier, images, { workers, signal })) {
        const lines = batch.classified.map((one) =>
          judgedLine(withOwnLabel(one, classifier), classifier, top),
        );
        found.push(...lines);
        failed.push(...batch.unreadable);
        if (json && lines.length > 0) {
          hasPrintedJson();
          await write(lines.map(jsonLine).join(''));
        }
        progress.emit({
          type: 'decode',
          done: found.length + failed.length - skipped.length,
          total: images.length,
        });
      }
      progress.stop();
      if (csv !== undefined) {
        await makeFolders(dirname(resolve(csv)));
        await writeFileAtomic(csv, csvText(found));
      }
      if (found.length > 0) report(session, classifier, found);
      if (signal.aborted)
        progress.say(`Interrupted: ${found.length} of ${counted(images.length, 'image')} were classified.`);
      for (const { path, reason } of failed)
        progress.emit({ type: 'warning', text: `skipped ${path}: ${reason}` });
      session.close({ results: [csv], next: found.length > 0 ? exportOf(run) : null });
      if (failed.length > 0 && !signal.aborted)
        throw new Exit(1, unusable(failed, images.length + skipped.length));
    },
    { ending: 'finishing the images under way', nothing: 'Interrupted: nothing was classified.' },
  );
}

/** Whether images lie in several folders, as classes do, and none of these is called as one. */
function namesNoClass(images: readonly ListedImage[]): boolean {
  const folders = new Set(images.map(({ path }) => dirname(path)));
  return folders.size > 1 && images.every(({ label }) => label === null);
}

/** The first of many names. */
function someOf(names: readonly string[]): string {
  return `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`;
}

/** How many images of all could not be classified, with the first of them. */
function unusable([first, ...others]: readonly SkippedFile[], all: number): string {
  const more = others.length === 0 ? '' : `, and ${others.length} more`;
  return `${1 + others.length} of ${counted(all, 'image')} could not be classified: ${first?.path} (${first?.reason})${more}`;
}

/** `onecycle export RUN --to DIR`. */
export function runExport(run: string, flags: RawFlags): Promise<void> {
  return inSession(
    flags,
    async ({ settings, signal, progress, print, close }) => {
      const { to, format = 'tfjs' } = settings;
      if (to === undefined) {
        throw new UsageError('export needs --to DIR, a new or empty folder for the files.');
      }
      requireWrittenFormat(format, run);
      const classifier = await openRunClassifier(run, settings.final ? 'final' : 'best');
      if (classifier.note !== null) progress.emit({ type: 'warning', text: classifier.note });
      const files = await exportFiles(classifier, format);
      signal.throwIfAborted();
      await makeWholeFolder(resolve(to), files, '--to');
      const document: ExportDocument = {
        schemaVersion: SCHEMA_VERSION,
        command: 'export',
        status: 'completed',
        run,
        format,
        to,
        files: Object.entries(files).map(([name, data]) => ({ name, bytes: Buffer.byteLength(data) })),
      };
      print(document, (layout) => exportReport(document, layout));
      close({ results: [to], next: await afterExport(run) });
    },
    { ending: 'stopping', nothing: 'Interrupted: nothing was exported.' },
  );
}

/** What the model says in this program, on the images that it was trained with where they are still there. */
async function afterExport(run: string): Promise<string[]> {
  const { data } = await readDocument(join(run, RUN_FILES.config));
  const folder = typeof data === 'string' ? await dataFolder(data) : '';
  return existsSync(folder) ? ['predict', run, folder] : ['show', run];
}

/** The names that were given: `-`, or no name where standard input is no terminal, stands for a list there. */
async function allNames(named: readonly string[], signal: AbortSignal): Promise<string[]> {
  if (named.length > 0 && !named.includes('-')) return [...named];
  if (named.length === 0 && process.stdin.isTTY === true) {
    throw new UsageError(
      'Name the images: onecycle predict RUN FILE|DIR..., or a list of names on standard input.',
    );
  }
  const listed = await namesOnInput(signal);
  const all = named.length === 0 ? listed : named.flatMap((name) => (name === '-' ? listed : [name]));
  if (all.length > 0) return all;
  throw new UsageError('Standard input holds no names. Expected image files or folders, one a line.');
}

/** Names on standard input, one a line, or with a NUL behind each as `find -print0` writes them. */
async function namesOnInput(signal: AbortSignal): Promise<string[]> {
  const input = await text(addAbortSignal(signal, process.stdin)).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
  return input.split(input.includes('\0') ? '\0' : /\r?\n/).filter((name) => name !== '');
}

/** An image's line in every form of output. */
interface Judged extends PredictedImage, Pick<Classified, 'label' | 'sha256'> {
  readonly predicted: number;
}

/** An image of the run's own has the class that its table of labels said, whatever its folder is called. */
function withOwnLabel(one: Classified, { labelled }: RunClassifier): Classified {
  return { ...one, label: labelled.get(one.sha256) ?? one.label };
}

function judgedLine(
  { path, label, sha256, probabilities }: Classified,
  { classNames }: RunClassifier,
  top: number,
): Judged {
  const ranked = [...probabilities.keys()].sort((a, b) => (probabilities[b] ?? 0) - (probabilities[a] ?? 0));
  const predictions = ranked.slice(0, top).map((i) => ({
    label: classNames[i] ?? String(i),
    probability: probabilities[i] ?? NaN,
  }));
  return {
    file: path,
    predictions,
    label,
    sha256,
    trueClass: label === null ? null : (classNames[label] ?? null),
    predicted: ranked[0] ?? 0,
  };
}

function jsonLine({ file, predictions }: PredictionLine): string {
  return `${printableJson({ file, predictions }, 0)}\n`;
}

/** What a person reads: the table, accuracy and confusion matrix where classes are known. With --json they stand on stderr. */
function report({ settings, tell }: Session, classifier: RunClassifier, found: readonly Judged[]): void {
  const judged = found.flatMap(({ label, ...one }) => (label === null ? [] : [{ ...one, label }]));
  const view = {
    counts: confusionOf(judged, classifier.classNames.length),
    classes: classifier.classNames,
    unjudged: found.length - judged.length,
    trainedOn: judged.filter(({ sha256 }) => classifier.trainedOn.has(sha256)).length,
  };
  // Of a single image its line says all.
  const judgement =
    judged.length === 0 || found.length === 1 ? undefined : (to: ReportLayout) => judgedReport(view, to);
  if (settings.json) {
    if (judgement !== undefined && !settings.quiet) tell(judgement);
    return;
  }
  const to = layout(settings, process.stdout);
  // A file, or a program that looks for a name, is to get all of it.
  const room = process.stdout.isTTY || process.env['COLUMNS'] ? to.width : Infinity;
  const images = predictionTable(found, { ...to, width: room });
  const blocks = [images, judgement?.(to)];
  process.stdout.write(`${printableReport(joinBlocks(blocks))}\n`);
}

/** One line a prediction, as RFC 4180 has it. */
function csvText(found: readonly Judged[]): string {
  const rows = found.flatMap(({ file, predictions, trueClass }) =>
    predictions.map(({ label, probability }, i) => [
      file,
      trueClass ?? '',
      String(i + 1),
      label,
      String(probability),
    ]),
  );
  return [['file', 'true_class', 'rank', 'label', 'probability'], ...rows]
    .map((row) => `${row.map(quoted).join(',')}\r\n`)
    .join('');
}

function quoted(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

/** Refuses, before anything is computed, a place for the table that would not do. Throws UsageError. */
async function requireFile(csv: string): Promise<void> {
  const found = await stat(csv).catch(() => undefined);
  if (found?.isFile() === false) {
    throw new UsageError(
      `Expected a file for --csv but ${csv} is ${found.isDirectory() ? 'a folder' : 'no regular file'}. Give a file in a folder.`,
    );
  }
  await requireWritable(dirname(resolve(csv)), '--csv');
}

/** Writes to stdout no faster than it is read, if anybody reads it. */
async function write(lines: string): Promise<void> {
  // What goes wrong there is told elsewhere, and after it nothing drains any more.
  if (process.stdout.errored !== null || process.stdout.destroyed) return;
  if (!process.stdout.write(lines)) await once(process.stdout, 'drain').catch(() => undefined);
}
