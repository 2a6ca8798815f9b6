import { joinBlocks, paragraph } from '../text/layout.js';
import { MISSING } from '../text/numbers.js';
import { table } from '../text/table.js';
import type { ReportLayout } from './train.js';

interface FolderView {
  readonly path: string;
  readonly writable: boolean;
  readonly free: number | null;
}

interface BackendView {
  readonly name: string;
  readonly works: boolean;
  readonly info?: {
    readonly device: string;
    readonly arithmetic?: string;
    readonly limits: Readonly<Record<string, number>>;
  };
  readonly imagesPerSecond?: number | null;
  readonly why: string | null;
  readonly remedy?: string;
}

/** What doctor found out. */
export interface DoctorView {
  readonly onecycle: string;
  readonly machine: {
    readonly node: string;
    readonly platform: string;
    readonly cpu: string;
    readonly cores: number;
    readonly memory: number;
    readonly freeMemory: number;
  };
  readonly backends: readonly BackendView[];
  readonly automatic: string | null;
  readonly folders: { readonly cache: FolderView; readonly weights: FolderView; readonly runs: FolderView };
  readonly bundledWeights: readonly string[];
  readonly terminal: { readonly interactive: boolean; readonly columns: number; readonly colour: boolean };
}

/** The machine, a line for each backend, what is missing for more, and the folders. */
export function doctorReport(view: DoctorView, { width, colour }: ReportLayout): string {
  const { machine, backends, automatic, folders, terminal } = view;
  return joinBlocks([
    paragraph(
      `onecycle ${view.onecycle}, Node ${machine.node} on ${machine.platform}: ${machine.cpu}, ${machine.cores} cores, ${gigabytes(machine.memory)} of memory (${gigabytes(machine.freeMemory)} free).`,
      width,
    ),
    table(
      [{ header: 'backend' }, { header: 'trains' }, { header: 'images/s', align: 'right' }, { header: 'on' }],
      backends.map((backend) => [
        backend.name,
        backend.works ? 'yes' : 'no',
        speed(backend.imagesPerSecond),
        backend.works ? deviceOf(backend) : (backend.why ?? ''),
      ]),
      { width, colour },
    ),
    paragraph(
      'Images per second: training all of the bundled network on images of 96 x 96, over two seconds.',
      width,
    ),
    automatic === null
      ? 'No backend works here: nothing can be trained.'
      : paragraph(`--backend auto takes ${automatic}.`, width),
    ...backends
      .filter(({ works, why }) => !works || why !== null)
      .map(({ name, why, remedy = '' }) => paragraph(`${name}: ${why ?? ''}. ${remedy}`.trim(), width)),
    table(
      [{ header: 'folder' }, { header: 'writable' }, { header: 'free', align: 'right' }, { header: 'path' }],
      Object.entries(folders).map(([name, { path, writable, free }]) => [
        name,
        writable ? 'yes' : 'no',
        free === null ? MISSING : gigabytes(free),
        path,
      ]),
      { width, colour },
    ),
    paragraph(`Bundled weights: ${view.bundledWeights.join(', ') || 'none'}.`, width),
    paragraph(
      `Terminal: ${terminal.interactive ? 'interactive' : 'not interactive (lines instead of bars)'}, ${terminal.columns} columns, ${terminal.colour ? 'colours' : 'no colours'}.`,
      width,
    ),
  ]);
}

function deviceOf({ info }: BackendView): string {
  const { memory, largestBuffer } = info?.limits ?? {};
  return [
    info?.device ?? '',
    ...(info?.arithmetic === 'fused' ? ['fused multiply-add'] : []),
    ...(memory === undefined ? [] : [`${gigabytes(memory)} of memory`]),
    ...(largestBuffer === undefined ? [] : [`buffers to ${gigabytes(largestBuffer)}`]),
  ].join(', ');
}

function speed(imagesPerSecond: number | null | undefined): string {
  if (typeof imagesPerSecond !== 'number') return MISSING;
  return imagesPerSecond.toFixed(imagesPerSecond < 10 ? 1 : 0);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
