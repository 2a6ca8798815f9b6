import type { BackendProbe, DoctorDocument } from '../../runs/documents.js';
import { joinBlocks, paragraph, type ReportLayout } from '../text/layout.js';
import { MISSING } from '../text/numbers.js';
import { table } from '../text/table.js';

/** The machine, a line for each backend, what is missing for more, and the folders. */
export function doctorReport(document: DoctorDocument, { width, colour }: ReportLayout): string {
  const { machine, backends, automatic, folders, terminal } = document;
  return joinBlocks([
    paragraph(
      `onecycle ${document.onecycle}, Node ${machine.node} on ${machine.platform}: ${machine.cpu}, ${machine.cores} cores, ${gigabytes(machine.memory)} of memory (${gigabytes(machine.freeMemory)} free).`,
      width,
    ),
    table(
      [{ header: 'backend' }, { header: 'trains' }, { header: 'images/s', align: 'right' }, { header: 'on' }],
      backends.map((backend) => [
        backend.name,
        backend.works ? 'yes' : 'no',
        backend.works ? speed(backend.imagesPerSecond) : MISSING,
        backend.works ? deviceOf(backend.info) : backend.why,
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
    ...backends.flatMap((backend) => {
      if (backend.why === null) return [];
      const remedy = backend.works ? '' : backend.remedy;
      return [paragraph(`${backend.name}: ${backend.why}. ${remedy}`.trim(), width)];
    }),
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
    paragraph(`Bundled weights: ${document.bundledWeights.join(', ') || 'none'}.`, width),
    paragraph(
      `Terminal: ${terminal.interactive ? 'interactive' : 'not interactive (lines instead of bars)'}, ${terminal.columns} columns, ${terminal.colour ? 'colours' : 'no colours'}.`,
      width,
    ),
  ]);
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
