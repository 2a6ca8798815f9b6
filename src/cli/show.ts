import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { expandHome } from '../config/check-settings.js';
import { nearest } from '../config/options.js';
import { examine, examineMachine } from '../doctor/doctor.js';
import { UsageError } from '../errors.js';
import { makeFolders } from '../files.js';
import { printableJson, printableReport } from '../printable.js';
import { backendRow, backendRows, doctorEnd, machineText } from '../report/pages/doctor.js';
import { findLrReport } from '../report/pages/find-lr.js';
import { prunePlan, runsReport } from '../report/pages/runs.js';
import { trainReport } from '../report/pages/train.js';
import { formatBytes } from '../report/text/numbers.js';
import { explainWriteError, writeFileAtomic } from '../runs/atomic.js';
import type { EpochRecord, RunsDocument } from '../runs/documents.js';
import { CLASS_FIELDS, EPOCH_FIELDS, STEP_FIELDS } from '../runs/read-run.js';
import { isSortKey, listRecorded, prunable, pruneRuns, SORT_KEYS, type SortKey } from '../show/list.js';
import { readRecordedRun, type RecordedRun, writerOf } from '../show/recorded-run.js';
import { afterRangeTest, pageOf, rangeTestPlaces, sayClosing } from './closing.js';
import { Exit } from './errors.js';
import { checkReportFolder, listenForSignals, type RawFlags } from './session.js';
import { layout, printBesides, printResult, say, takesEscapes } from './terminal.js';

/** `onecycle show RUN`. */
export async function runShow(given: string, flags: RawFlags): Promise<void> {
  const dir = expandHome(given);
  const run = await readRecordedRun(dir);
  const [csv, report] = [pathOf(flags, 'csv'), pathOf(flags, 'report')];
  if (report !== undefined) await checkReportFolder({ report });
  const tables = csv === undefined ? [] : await writeTables(csv, run);
  const writePage = async (page: string) => {
    const { writeRunReport } = await import('./write-report.js');
    return writeRunReport(page, run);
  };
  const print = () =>
    printResult(
      run.document,
      (layout) =>
        run.kind === 'find-lr'
          ? findLrReport(run.document, layout)
          : trainReport(run.document, run.record.steps, layout),
      { json: flags['json'] === true, color: flags['color'] !== false },
    );
  const written = await printBesides(report === undefined ? undefined : () => writePage(report), print);
  const writer = await writerOf(dir);
  if (writer !== null) say(writer);
  if (flags['quiet'] === true) return;
  const places = run.kind === 'find-lr' ? rangeTestPlaces(dir, written) : [dir, written];
  sayClosing({ results: [...places, ...tables], next: writer === null ? afterShow(run, dir, report) : null });
}

function afterShow(run: RecordedRun, dir: string, report: string | undefined): string[] {
  if (run.kind === 'find-lr') return afterRangeTest({ ...run.document, run: dir });
  if (run.document.status === 'interrupted') return ['train', '--resume', dir];
  return pageOf(dir, report);
}

/** A folder that a flag names; undefined where it is not given. */
function pathOf(flags: RawFlags, name: string): string | undefined {
  const path = flags[name];
  if (typeof path !== 'string') return undefined;
  if (path === '') throw new UsageError(`Expected a folder for --${name} but received "".`);
  return expandHome(path);
}

/** Writes the records of a run as tables, and answers where they lie. Throws UsageError, before anything is written, where one of them is there already. */
async function writeTables(dir: string, run: RecordedRun): Promise<string[]> {
  const tables =
    run.kind === 'find-lr'
      ? { 'curve.csv': curveTable(run.document) }
      : {
          'steps.csv': csvText(STEP_FIELDS, run.record.steps),
          'epochs.csv': csvText([...EPOCH_FIELDS, ...toldByClass(run.record.epochs)], run.record.epochs),
        };
  const files = Object.entries(tables).map(([name, text]) => ({ path: join(dir, name), text }));
  for (const { path } of files) {
    if ((await lstat(path).catch(() => undefined)) === undefined) continue;
    throw new UsageError(`${path} is there already, and nothing is overwritten. Give --csv another folder.`);
  }
  await makeFolders(dir).catch((error: unknown) => {
    throw explainWriteError(error, dir, 'start', '--csv');
  });
  for (const { path, text } of files) {
    await writeFileAtomic(path, text);
  }
  return files.map(({ path }) => path);
}

/** What epochs tell of their classes; those of older versions tell nothing. */
function toldByClass(epochs: readonly EpochRecord[]): (typeof CLASS_FIELDS)[number][] {
  return CLASS_FIELDS.filter((name) => epochs.some((epoch) => epoch[name] !== undefined));
}

function curveTable({ curves }: Extract<RecordedRun, { kind: 'find-lr' }>['document']): string {
  const rows = curves.flatMap(({ seed, points }) => points.map((point) => ({ seed, ...point })));
  return csvText(['seed', 'step', 'learningRate', 'loss', 'smoothedLoss'], rows);
}

/** Numbers as RFC 4180 has them, a line of names first; what is no number is left empty. */
function csvText<Name extends string>(
  names: readonly Name[],
  rows: readonly { readonly [N in Name]?: number | null }[],
): string {
  const lines = rows.map((row) => names.map((name) => row[name] ?? '').join(','));
  return [names.join(','), ...lines].map((line) => `${line}\r\n`).join('');
}

/** `onecycle runs [DIR]`. */
export async function runRuns(dir: string, flags: RawFlags): Promise<void> {
  const { policy, data } = flags;
  const options = {
    sort: sortKey(String(flags['sort'])),
    ...(typeof policy === 'string' && { policy }),
    ...(typeof data === 'string' && { data: expandHome(data) }),
  };
  const list = () => listRecorded(expandHome(dir), options);
  const pruned = flags['prune'] === true ? await prune(await list(), flags['yes'] === true) : undefined;
  const document: RunsDocument = { ...(await list()), ...(pruned && { pruned }) };
  printResult(document, (shown) => runsReport(document, Date.now(), shown), {
    json: flags['json'] === true,
    color: flags['color'] !== false,
  });
  if (flags['quiet'] !== true) sayClosing({ results: [dir], next: afterRuns(document) });
  if (pruned !== undefined && pruned.left.length > 0) throw new Exit(1);
}

/** Goes on with a run that was broken off, or shows the newest; where none was wanted, lists all, and where there is none, trains the first. */
function afterRuns({ dir, runs, recorded }: RunsDocument): string[] {
  const [newest] = runs.toSorted((a, b) => Date.parse(b.changed) - Date.parse(a.changed));
  if (newest === undefined) return recorded > 0 ? ['runs', dir] : ['compare', '--out', dir];
  const broken = runs.find(
    ({ command, status, epochs }) =>
      command === 'train' &&
      (status === 'interrupted' || status === 'killed') &&
      epochs !== null &&
      epochs.done > 0,
  );
  return broken === undefined ? ['show', newest.run] : ['train', '--resume', broken.run];
}

function sortKey(text: string): SortKey {
  if (isSortKey(text)) return text;
  const meant = nearest(text, SORT_KEYS);
  throw new UsageError(
    `Expected one of ${SORT_KEYS.join(', ')} for --sort but received "${text}".${meant === undefined ? '' : ` Did you mean "${meant}"?`}`,
  );
}

/** Says what goes, asks where somebody can answer, and removes it. Throws UsageError where nobody has agreed. */
async function prune(listed: RunsDocument, agreed: boolean): Promise<NonNullable<RunsDocument['pruned']>> {
  const runs = prunable(listed);
  if (runs.length === 0) {
    say('No finished run here has checkpoints: there is nothing to free.');
    return { runs: [], bytes: 0, left: [] };
  }
  say(prunePlan(runs, layout({ color: false }, process.stderr).width));
  if (!agreed) await requireAgreement();
  const done = await pruneRuns(runs);
  for (const { reason } of done.left) say(`Left alone: ${reason}`);
  say(`Freed ${formatBytes(done.bytes)}.`);
  return done;
}

async function requireAgreement(): Promise<void> {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
    throw new UsageError(
      'Nothing was removed: --prune asks on a terminal, and there is none. Add --yes to agree.',
    );
  }
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await asking.question('Remove them? [y/N] ');
    if (!/^y(es)?$/iu.test(answer.trim())) throw new UsageError('Nothing was removed.');
  } finally {
    asking.close();
  }
}

/** `onecycle doctor`: prints what it finds as it finds it; exits 0 where at least one backend trains, else 1. */
export async function runDoctor(flags: RawFlags): Promise<void> {
  const asked = layout({ color: flags['color'] !== false }, process.stdout);
  const json = flags['json'] === true;
  const print = (text: string) => process.stdout.write(`${text}\n`);
  const report = (text: string) => void (json || print(printableReport(text)));
  const stop = listenForSignals(() => undefined);
  try {
    const machine = examineMachine();
    report(`${machineText(machine, asked)}\n\n${backendRows(asked)}`);
    const found = await examine(machine, stop.signal, (probe) => report(backendRow(probe, asked)));
    const terminal = {
      interactive: takesEscapes(process.stderr),
      columns: asked.width,
      colour: asked.colour,
    };
    const document = { ...found, terminal };
    report(`\n${doctorEnd(document, asked)}`);
    if (json) print(printableJson(document));
    if (flags['quiet'] !== true) sayClosing({ next: found.automatic === null ? null : ['compare'] });
    const code = stop.exitCode() ?? (found.automatic === null ? 1 : 0);
    if (code !== 0) throw new Exit(code);
  } finally {
    stop.release();
  }
}
