import { printable } from '../../printable.js';
import type { BackendProbe, DoctorDocument } from '../../runs/documents.js';
import { joinBlocks, paint, paragraph, type ReportLayout } from '../text/layout.js';
import { MISSING } from '../text/numbers.js';
import { table } from '../text/table.js';
import { displayWidth, pad, truncate } from '../text/width.js';

/** The machine in a sentence. */
export function machineText(
  { onecycle, machine }: Pick<DoctorDocument, 'onecycle' | 'machine'>,
  { width }: ReportLayout,
): string {
  return paragraph(
    `onecycle ${onecycle}, Node ${machine.node} on ${machine.platform}: ${machine.cpu}, ${machine.cores} cores, ${gigabytes(machine.memory)} of memory (${gigabytes(machine.freeMemory)} free).`,
    width,
  );
}

/** The columns of the backends' table. They are as wide as their contents can be: the rows come one by one. */
const COLUMNS = [
  { header: 'backend', width: 10 },
  { header: 'trains', width: 6 },
  { header: 'images/s', width: 8, align: 'right' },
  { header: 'on', width: 30 },
] as const;

/** The heading of the backends' table, and the rule under it. */
export function backendRows({ width, colour }: ReportLayout): string {
  const rule = COLUMNS.map((column) => '─'.repeat(column.width)).join('  ');
  const heading = row(COLUMNS.map(({ header }) => header));
  return `${paint(truncate(heading, width), 'bold', colour)}\n${paint(rule.slice(0, width), 'grey', colour)}`;
}

/** A backend's row of that table. */
export function backendRow(backend: BackendProbe, { width }: ReportLayout): string {
  const { name, works } = backend;
  const cells = works
    ? [name, 'yes', speed(backend.imagesPerSecond), deviceOf(backend.info)]
    : [name, 'no', MISSING, backend.why];
  const line = row(cells.map(printable));
  if (displayWidth(line) <= width) return line;
  // With less room than for the heading, what it runs on stands below.
  return `${truncate(row(cells.slice(0, -1)), width)}\n${paragraph(cells.at(-1) ?? '', width, '  ')}`;
}

function row(cells: readonly string[]): string {
  return COLUMNS.map((column, i) =>
    pad(cells[i] ?? '', column.width, 'align' in column ? column.align : 'left'),
  )
    .join('  ')
    .trimEnd();
}

/** What the folders are for. Nothing is written beside the bundled weights. */
const FOLDERS: Readonly<Record<string, string>> = {
  cache: 'temporary files',
  downloads: 'cache',
  weights: 'bundled weights',
  runs: 'here',
};

/** What follows the table: what is missing for more, and the folders. */
export function doctorEnd(document: DoctorDocument, { width, colour }: ReportLayout): string {
  const { backends, automatic, folders, computed, terminal } = document;
  return joinBlocks([
    paragraph(
      'Images per second: training all of the bundled network on images of 96 x 96, over two seconds.',
      width,
    ),
    automatic === null
      ? 'No backend works here: nothing can be trained.'
      : paragraph(`--backend auto takes ${automatic}.`, width),
    ...backends.flatMap((backend) => {
      if (backend.why === null) return [];
      const remedy = backend.works ? '' : backend.remedy;
      return [paragraph(`${backend.name}: ${backend.why}. ${remedy}`.trim(), width)];
    }),
    table(
      [{ header: 'folder' }, { header: 'writable' }, { header: 'free', align: 'right' }, { header: 'path' }],
      Object.entries(folders).map(([name, { path, writable, free }]) => [
        FOLDERS[name] ?? name,
        name === 'weights' ? MISSING : writable ? 'yes' : 'no',
        free === null ? MISSING : gigabytes(free),
        path,
      ]),
      { width, colour },
    ),
    ...(computed === undefined ? [] : [paragraph(computedText(computed), width)]),
    paragraph(`Bundled weights: ${document.bundledWeights.join(', ') || 'none'}.`, width),
    paragraph(
      `Terminal: ${terminal.interactive ? 'interactive' : 'not interactive (lines instead of bars)'}, ${terminal.columns} columns, ${terminal.colour ? 'colours' : 'no colours'}.`,
      width,
    ),
  ]);
}

function computedText({ path, bytes, limit }: NonNullable<DoctorDocument['computed']>): string {
  const what = 'Decoded images and frozen features of earlier commands';
  if (limit === 0) return `${what} are not kept: ONECYCLE_CACHE_SIZE is 0.`;
  return `${what}: ${(bytes / 1e9).toFixed(2)} of at most ${(limit / 1e9).toFixed(1)} GB, in ${path} (ONECYCLE_CACHE_SIZE).`;
}

function deviceOf({ device, arithmetic, limits }: Extract<BackendProbe, { works: true }>['info']): string {
  const { memory, largestBuffer } = limits;
  return [
    device,
    ...(arithmetic === 'fused' ? ['fused multiply-add'] : []),
    ...(memory === undefined ? [] : [`${gigabytes(memory)} of memory`]),
    ...(largestBuffer === undefined ? [] : [`buffers to ${gigabytes(largestBuffer)}`]),
  ].join(', ');
}

function speed(imagesPerSecond: number | null): string {
  if (imagesPerSecond === null) return MISSING;
  return imagesPerSecond.toFixed(imagesPerSecond < 10 ? 1 : 0);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
