import { join } from 'node:path';
import type { RecordedRun } from '../compare/read.js';
import { dataFolder } from '../data/folder/scan.js';
import { thumbnail } from '../data/images/decode.js';
import type { ArmCurves } from '../report/charts/training.js';
import {
  type ArmPredictions,
  type DisputedImage,
  disputedImages,
  type Picture,
} from '../report/pages/html/pictures.js';
import { comparisonCharts, htmlReport } from '../report/pages/html/report.js';
import { explainWriteError, makeFolders, writeFileAtomic } from '../runs/atomic.js';
import type { CompareDocument } from '../runs/documents.js';
import { pngOf } from '../runs/png.js';

/** Images shown in each direction, and their longer side in pixels. */
const PICTURES = 12;
const SIDE = 192;

/** Writes DIR/report.html and every chart beside it as SVG and PNG. Answers the page's path. */
export async function writeReport(
  dir: string,
  document: CompareDocument,
  curves: readonly ArmCurves[],
  runs: readonly RecordedRun[],
): Promise<string> {
  await makeFolders(dir).catch((error: unknown) => {
    throw explainWriteError(error, dir, 'start', '--report');
  });
  const charts = comparisonCharts(document, curves);
  for (const { name, svg } of charts) {
    await writeFileAtomic(join(dir, `${name}.svg`), svg);
    await writeFileAtomic(join(dir, `${name}.png`), await pngOf(svg));
  }
  const predictions = sharedPredictions(document, runs);
  const { won, lost } = disputedImages(predictions, PICTURES);
  const root = await dataFolder(String(runs[0]?.record.config['data'] ?? ''));
  const page = htmlReport(document, {
    curves,
    charts,
    predictions,
    pictures: { won: await withCopies(won, root), lost: await withCopies(lost, root) },
  });
  const path = join(dir, 'report.html');
  await writeFileAtomic(path, page);
  return path;
}

/** The predictions of all arms where every run was judged on one list of images, else none. */
function sharedPredictions({ arms }: CompareDocument, runs: readonly RecordedRun[]): ArmPredictions[] {
  const images = runs[0]?.record.predictions?.map(({ image }) => image).join('\n');
  const alike = runs.every(
    ({ record }) => record.predictions?.map(({ image }) => image).join('\n') === images,
  );
  if (images === undefined || !alike) return [];
  return arms.map(({ policy }) => ({
    policy,
    runs: runs.filter(({ arm }) => arm === policy).map(({ record }) => record.predictions ?? []),
  }));
}

async function withCopies(images: readonly DisputedImage[], root: string): Promise<Picture[]> {
  return Promise.all(
    images.map(async (image) => ({ ...image, uri: await thumbnail(root, image.image, SIDE) })),
  );
}
