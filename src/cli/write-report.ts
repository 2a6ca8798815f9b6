import { join } from 'node:path';
import type { RecordedRun as ComparedRun } from '../compare/read.js';
import { dataFolder } from '../data/folder/scan.js';
import { pngOf, thumbnail } from '../data/images/decode.js';
import { makeFolders } from '../files.js';
import type { ArmCurves } from '../report/charts/training.js';
import { type ArmPredictions, confidentErrors, disputedImages } from '../report/pages/html/pictures.js';
import { dataPage, picturesOf } from '../report/pages/html/data.js';
import { comparisonCharts, htmlReport, type NamedChart } from '../report/pages/html/report.js';
import {
  hardestImages,
  rangeTestCharts,
  rangeTestPage,
  trainingCharts,
  trainingPage,
} from '../report/pages/html/run.js';
import type { MadeBy } from '../report/pages/html/setup.js';
import { explainWriteError, writeFileAtomic } from '../runs/atomic.js';
import type { CompareDocument, DataCheckDocument, RunRecord } from '../runs/documents.js';
import { isJsonObject } from '../runs/json.js';
import type { RecordedRun } from '../show/recorded-run.js';
import { describeCommand } from '../workbench/bench.js';

/** Images shown of a run, and in each direction of a comparison. */
const HARDEST = 24;
const PICTURES = 12;
const ERRORS = 12;
/** Their longer side in pixels. */
const SIDE = 192;
/** Of pages with many images. */
const SMALLER_SIDE = 128;
/** Letters of all small copies together: a page is to stay below 1 MB. */
const MOST_LETTERS = 500_000;

/** Writes DIR/report.html about a run, with its charts beside it as SVG and PNG. Answers the page's path. */
export async function writeRunReport(dir: string, run: RecordedRun): Promise<string> {
  if (run.kind === 'find-lr') {
    const charts = rangeTestCharts(run.document);
    return writePage(dir, charts, rangeTestPage(run.document, charts));
  }
  const { document, record } = run;
  const charts = trainingCharts(document, record.steps);
  const predictions = record.predictions ?? [];
  const hardest = await withCopies(hardestImages(predictions, HARDEST), record);
  return writePage(dir, charts, trainingPage(document, { charts, predictions, hardest }));
}

/** Writes DIR/report.html about a comparison, with its charts beside it as SVG and PNG. Answers the page's path. */
export async function writeReport(
  dir: string,
  document: CompareDocument,
  curves: readonly ArmCurves[],
  runs: readonly ComparedRun[],
): Promise<string> {
  const charts = comparisonCharts(document, curves);
  const predictions = sharedPredictions(document, runs);
  const { won, lost } = disputedImages(predictions, PICTURES);
  const record = runs[0]?.record;
  const pictures = { won: await withCopies(won, record), lost: await withCopies(lost, record) };
  const errors = await withCopies(confidentErrors(predictions, ERRORS), record);
  return writePage(
    dir,
    charts,
    htmlReport(document, { madeBy: madeHere(document), curves, charts, predictions, pictures, errors }),
  );
}

/** This process, which compares; where the runs were computed stands in the environment. */
function madeHere({ environment: { onecycle, backend, device } }: CompareDocument): MadeBy {
  const { commandLine, startedAt } = describeCommand();
  return { onecycle, backend, device, commandLine, startedAt };
}

/** Writes DIR/report.html about a data folder. Answers the page's path. */
export async function writeDataReport(dir: string, document: DataCheckDocument): Promise<string> {
  let letters = 0;
  const copies = new Map<string, string | null>();
  for (const { path, sha256 } of picturesOf(document)) {
    if (copies.has(path)) continue;
    const uri = letters > MOST_LETTERS ? null : await thumbnail(document.root, path, SMALLER_SIDE, sha256);
    letters += uri?.length ?? 0;
    copies.set(path, uri);
  }
  return writePage(dir, [], dataPage(document, copies, describeCommand()));
}

async function writePage(dir: string, charts: readonly NamedChart[], page: string): Promise<string> {
  await makeFolders(dir).catch((error: unknown) => {
    throw explainWriteError(error, dir, 'start', '--report');
  });
  for (const { name, svg } of charts) {
    await writeFileAtomic(join(dir, `${name}.svg`), svg);
    await writeFileAtomic(join(dir, `${name}.png`), await pngOf(svg));
  }
  const path = join(dir, 'report.html');
  await writeFileAtomic(path, page);
  return path;
}

/** The predictions of all arms where every run was judged on one list of images, else none. */
function sharedPredictions({ arms }: CompareDocument, runs: readonly ComparedRun[]): ArmPredictions[] {
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

/** Images with their small copies, as far as the record vouches for the files; null for all that would make the page too large. */
async function withCopies<Image extends { readonly image: string }>(
  images: readonly Image[],
  record: RunRecord | undefined,
): Promise<(Image & { readonly uri: string | null })[]> {
  const root = await dataFolder(String(record?.config['data'] ?? ''));
  const hashes = hashesOf(record);
  const uris = await Promise.all(
    images.map(({ image }) => {
      const sha256 = hashes.get(image);
      return sha256 === undefined ? null : thumbnail(root, image, SIDE, sha256);
    }),
  );
  let letters = 0;
  return images.map((image, i) => {
    const uri = uris[i] ?? null;
    letters += uri?.length ?? 0;
    return { ...image, uri: letters > MOST_LETTERS ? null : uri };
  });
}

/** The hash of every validation image, as dataset.json has it. */
function hashesOf(record: RunRecord | undefined): Map<string, string> {
  const files = record?.dataset['files'];
  const valid = isJsonObject(files) ? files['valid'] : null;
  return new Map(
    (Array.isArray(valid) ? valid : []).flatMap((file): [string, string][] => {
      const { path, sha256 } = isJsonObject(file) ? file : {};
      return typeof path === 'string' && typeof sha256 === 'string' ? [[path, sha256]] : [];
    }),
  );
}
