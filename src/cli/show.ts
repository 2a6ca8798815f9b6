import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { expandHome } from '../config/check-settings.js';
import { nearest, shellLine } from '../config/options.js';
import { UsageError } from '../errors.js';
import { findLrReport } from '../report/pages/find-lr.js';
import { prunePlan, runsReport } from '../report/pages/runs.js';
import { trainReport } from '../report/pages/train.js';
import { formatBytes } from '../report/text/numbers.js';
import { explainWriteError, makeFolders, writeFileAtomic } from '../runs/atomic.js';
import type { RunsDocument } from '../runs/documents.js';
import { EPOCH_FIELDS, STEP_FIELDS } from '../runs/read-run.js';
import { isSortKey, listRecorded, prunable, pruneRuns, SORT_KEYS, type SortKey } from '../show/list.js';
import { readRecordedRun, type RecordedRun, writerOf } from '../show/recorded-run.js';
import { Exit } from './errors.js';
import { checkReportFolder, type RawFlags } from './session.js';
import { layout, printBesides, printResult, say } from './terminal.js';

/** `onecycle show RUN`. */
export async function runShow(given: string, flags: RawFlags): Promise<void> {
  const dir = expandHome(given);
  const run = await readRecordedRun(dir);
  const [csv, report] = [pathOf(flags, 'csv'), pathOf(flags, 'report')];
  if (report !== undefined) await checkReportFolder({ report });
  if (csv !== undefined) await writeTables(csv, run);
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
  await printBesides(report === undefined ? undefined : () => writePage(report), print, say);
  const writer = await writerOf(dir);
  if (writer !== null) say(writer);
  else if (run.kind === 'train' && run.document.status === 'interrupted') {
    say(`Go on with: onecycle train --resume ${shellLine([dir])}`);
  }
}

/** A folder that a flag names; undefined where it is not given. */
function pathOf(flags: RawFlags, name: string): string | undefined {
  const path = flags[name];
  if (typeof path !== 'string') return undefined;
  if (path === '') throw new UsageError(`Expected a folder for --${name} but received "".`);
  return expandHome(path);
}

/** Writes the records of a run as tables. Throws UsageError, before anything is written, where one of them is there already. */
async function writeTables(dir: string, run: RecordedRun): Promise<void> {
  const tables =
    run.kind === 'find-lr'
      ? { 'curve.csv': curveTable(run.document) }
      : {
          'steps.csv': csvText(STEP_FIELDS, run.record.steps),
          'epochs.csv': csvText(EPOCH_FIELDS, run.record.epochs),
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
    say(`Written: ${path}`);
  }
}

function curveTable({ curves }: Extract<RecordedRun, { kind: 'find-lr' }>['document']): string {
  const rows = curves.flatMap(({ seed, points }) => points.map((point) => ({ seed, ...point })));
  return csvText(['seed', 'step', 'learningRate', 'loss', 'smoothedLoss'], rows);
}

/** Numbers as RFC 4180 has them, a line of names first; what is no number is left empty. */
function csvText<Name extends string>(
  names: readonly Name[],
  rows: readonly Readonly<Record<Name, number | null>>[],
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
  if (pruned !== undefined && pruned.left.length > 0) throw new Exit(1);
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
