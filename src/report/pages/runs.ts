import type { ListedRun, RunsDocument } from '../../runs/documents.js';
import { joinBlocks, paintLines, paragraph, type ReportLayout } from '../text/layout.js';
import { counted, formatBytes, formatFraction } from '../text/numbers.js';
import { table, type TableColumn, tableWidth } from '../text/table.js';
import { lastPart } from '../text/width.js';

/** Folders that are named where they are passed over; there may be thousands. */
const NAMED = 5;

/**
 * Recorded runs as a table. Where that does not fit it lacks arm and seed if the runs' names have them, and names of data are
 * cut; where that does not fit either, each run has two lines or more.
 * @param now milliseconds since 1970, which ages are counted up to
 */
export function runsReport(document: RunsDocument, now: number, layout: ReportLayout): string {
  const { runs, passedOver } = document;
  const { width, colour } = layout;
  const bytes = runs.reduce((sum, run) => sum + run.bytes, 0);
  const others = passedOver.slice(0, NAMED).map(({ reason }) => reason);
  if (passedOver.length > NAMED) others.push(`and ${passedOver.length - NAMED} more.`);
  return joinBlocks([
    paragraph(
      runs.length === 0
        ? noRuns(document)
        : `${howMany(document)}, ${formatBytes(bytes)}${commonData(runs) === null ? '' : `, all on ${commonData(runs)}`}`,
      width,
    ),
    runs.length === 0 ? undefined : runList(runs, now, layout),
    passedOver.length === 0
      ? undefined
      : [`${counted(passedOver.length, 'folder')} passed over:`, ...others]
          .map((text, i) => paintLines(paragraph(text, width, i === 0 ? '' : '  '), 'yellow', colour))
          .join('\n'),
  ]);
}

function howMany({ dir, runs, recorded }: RunsDocument): string {
  return runs.length < recorded
    ? `${runs.length} of ${counted(recorded, 'run')} in ${dir}`
    : `${counted(recorded, 'run')} in ${dir}`;
}

/** Why nothing is listed: there is nothing, or nothing of what was asked for. */
function noRuns({ dir, recorded, wanted }: RunsDocument): string {
  const { policy, data } = wanted;
  const asked = [
    ...(policy === null ? [] : [`--policy ${policy}`]),
    ...(data === null ? [] : [`--data ${data}`]),
  ];
  return recorded === 0
    ? `No runs in ${dir}.`
    : `None of the ${counted(recorded, 'run')} in ${dir} matches ${asked.join(' and ')}.`;
}

/** What goes and what stays where checkpoints are removed. */
export function prunePlan(runs: readonly ListedRun[], width: number): string {
  const bytes = runs.reduce((sum, { checkpointBytes }) => sum + checkpointBytes, 0);
  return joinBlocks([
    paragraph(
      `The checkpoints of ${counted(runs.length, 'finished run')} go, ${formatBytes(bytes)}. What was recorded stays, and so does the model of the best epoch; these runs can then no longer be extended, and the weights of their last epoch are gone.`,
      width,
    ),
    runs
      .map(({ run, checkpointBytes }) => paragraph(`${run}: ${formatBytes(checkpointBytes)}`, width, '  '))
      .join('\n'),
  ]);
}

/** What --data named in several runs alike, which is told once; else null. */
function commonData(runs: readonly ListedRun[]): string | null {
  const [first, ...others] = new Set(runs.map(({ data }) => data));
  return first === undefined || others.length > 0 || runs.length < 2 ? null : lastPart(first);
}

function runList(runs: readonly ListedRun[], now: number, layout: ReportLayout): string {
  const alike = commonData(runs) !== null;
  const columns: TableColumn[] = [
    ...['run', 'arm'].map((header) => ({ header, whole: true })),
    ...(alike ? [] : [{ header: 'data' }]),
    { header: 'seed', align: 'right' },
    { header: 'status', whole: true },
    ...['best', 'final', 'age', 'size'].map((header): TableColumn => ({ header, align: 'right' })),
  ];
  const rows = runs.map((run) => [
    lastPart(run.run),
    run.arm ?? 'find-lr',
    ...(alike ? [] : [lastPart(run.data)]),
    String(run.seed),
    statusText(run),
    run.best === null ? '' : formatFraction(run.best.validAccuracy),
    run.final === null ? '' : formatFraction(run.final.validAccuracy),
    ageText(now - Date.parse(run.changed)),
    formatBytes(run.bytes),
  ]);
  if (tableWidth(columns, rows) <= layout.width) return table(columns, rows, layout);
  const said = runs.every(saysArmAndSeed) ? ['arm', 'seed'] : [];
  const kept = columns.flatMap(({ header }, index) => (said.includes(header) ? [] : [index]));
  return table(
    columns.filter((_, index) => kept.includes(index)),
    rows.map((cells) => cells.filter((_, index) => kept.includes(index))),
    layout,
    () => runsInLines(columns, rows, layout),
  );
}

/** Whether a run's folder is called as this program calls it, so that columns of arm and seed tell nothing new. */
function saysArmAndSeed({ run, arm, seed }: ListedRun): boolean {
  const said = `${(arm ?? 'find-lr').replaceAll(':', '-')}-seed${seed}`;
  return `${lastPart(run)}-`.startsWith(`${said}-`);
}

function runsInLines(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  layout: ReportLayout,
): string {
  return rows
    .map(([name = '', ...cells]) => {
      const facts = columns.slice(1).map(({ header }, i) => [header, cells[i] ?? ''] as const);
      const told = facts.filter(([, text]) => text !== '').map(([header, text]) => `${header} ${text}`);
      return `${paintLines(paragraph(name, layout.width), 'bold', layout.colour)}\n${paragraph(told.join(', '), layout.width, '  ')}`;
    })
    .join('\n');
}

function statusText({ status, epochs }: ListedRun): string {
  return status === 'completed' || epochs === null ? status : `${status} ${epochs.done}/${epochs.planned}`;
}

function ageText(milliseconds: number): string {
  const minutes = Math.max(0, milliseconds) / 60_000;
  if (minutes < 1) return 'now';
  if (minutes < 60) return `${Math.floor(minutes)} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} days`;
}
