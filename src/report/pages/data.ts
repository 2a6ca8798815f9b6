import type { DataListDocument, DataPullDocument, ListedDataSet } from '../../runs/documents.js';
import { joinBlocks, paintLines, paragraph, type ReportLayout } from '../text/layout.js';
import { counted, formatBytes, formatCount, formatDuration, MISSING } from '../text/numbers.js';
import { table, type TableColumn, tableWidth } from '../text/table.js';

const COLUMNS: readonly TableColumn[] = [
  { header: 'name' },
  { header: 'images', align: 'right' },
  { header: 'classes', align: 'right' },
  { header: 'download', align: 'right' },
  { header: 'here' },
  { header: 'licence' },
];

/** The data sets that have names, as a table, or where that does not fit in a few lines each, and the cache. */
export function dataListReport({ cache, mirror, dataSets }: DataListDocument, layout: ReportLayout): string {
  const { width, colour } = layout;
  const rows = dataSets.map((set) => [
    set.name,
    formatCount(imagesOf(set)),
    String(set.classes),
    set.bytes === null ? MISSING : set.bytes === 0 ? '' : formatBytes(set.bytes),
    STATES[set.state],
    set.licence,
  ]);
  const fits = tableWidth(COLUMNS, rows) <= width;
  // A name and a licence are too much for a narrow table.
  const shown = fits ? COLUMNS.length : COLUMNS.length - 1;
  return joinBlocks([
    table(
      COLUMNS.slice(0, shown),
      rows.map((row) => row.slice(0, shown)),
      layout,
    ),
    dataSets
      .map(({ name, about, licence }) => {
        const text = fits ? about : `${about}. Licence: ${licence}`;
        return `${paintLines(paragraph(name, width), 'bold', colour)}\n${paragraph(text, width, '  ')}`;
      })
      .join('\n'),
    paragraph(`Cache: ${cache.folder}, ${formatBytes(cache.bytes)}.`, width),
    mirror === null ? undefined : paragraph(`Mirror: ${mirror}.`, width),
  ]);
}

const STATES: Readonly<Record<ListedDataSet['state'], string>> = {
  bundled: 'bundled',
  here: 'yes',
  begun: 'begun',
  absent: 'no',
};

function imagesOf({ images }: Pick<ListedDataSet, 'images'>): number {
  return images.train + (images.valid ?? 0);
}

/** What was fetched, in a few sentences. */
export function dataPullReport(document: DataPullDocument, { width }: ReportLayout): string {
  const { name, folder, made, images, origins, licence, citation, seconds } = document;
  const bytes = origins.reduce((sum, origin) => sum + origin.bytes, 0);
  const parts =
    images.valid === 0
      ? counted(images.train, 'image')
      : `${counted(images.train, 'training image')} and ${formatCount(images.valid)} validation images`;
  const done = made
    ? `${name}: ${parts}, from ${formatBytes(bytes)}, in ${formatDuration(seconds)}.`
    : `${name} is here already: ${parts}.`;
  return joinBlocks([
    paragraph(done, width),
    paragraph(`It lies in ${folder}.`, width),
    paragraph(`Licence: ${licence}.`, width),
    citation === '' ? undefined : paragraph(`Please cite: ${citation}.`, width),
  ]);
}
