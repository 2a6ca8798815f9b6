import { availableParallelism } from 'node:os';
import type { Settings } from '../config/default-settings.js';
import { checkSweep, type FinderConfig } from '../config/finder-config.js';
import { pngOf } from '../record/png.js';
import { SCHEMA_VERSION } from '../record/schema-version.js';
import { SweepFolder, type CurveLine } from '../record/sweep-folder.js';
import type { RangeCurve, RangePoint } from '../stats/range-curve.js';
import { datasetDocument, datasetSummary, type DatasetSummary } from './dataset-document.js';
import type { Environment } from './environment.js';
import { finderConfig, findLearningRate, type FoundRate } from './find-lr.js';
import { beginWorkbench, type BenchContext } from './open-workbench.js';
import { Upcoming } from './upcoming.js';
import { whileDecoding } from './while-decoding.js';
import type { OpenBench } from './workbench.js';

/** What an experiment runs in. */
export interface ExperimentContext extends BenchContext {
  readonly environment: Environment;
}

/** `find-lr`'s JSON document, which is also its folder's result.json. */
export interface FinderDocument extends Omit<FoundRate, 'curves'> {
  readonly schemaVersion: number;
  readonly command: 'find-lr';
  readonly status: 'completed' | 'interrupted';
  readonly run: string;
  readonly config: FinderConfig;
  readonly environment: Environment & { readonly workers: number };
  readonly dataset: DatasetSummary;
  readonly seconds: number;
  readonly curves: readonly RecordedCurve[];
}

/** A seed's curve as JSON can hold it: losses that are no number are null. */
type RecordedCurve = Omit<RangeCurve, 'points'> & { readonly points: readonly Omit<CurveLine, 'seed'>[] };

/** The document, and the curves with their NaN for whoever draws them. */
export interface FinderOutcome {
  readonly document: FinderDocument;
  readonly curves: readonly RangeCurve[];
}

/** The chart as an SVG document. */
type Draw = (found: FoundRate & { readonly config: FinderConfig }) => Promise<string>;

/**
 * `onecycle find-lr`: range tests, recorded in a folder of their own. Interrupted, it records what was measured.
 */
export async function runFinder(
  settings: Settings,
  { environment, emit, signal }: ExperimentContext,
  draw: Draw,
): Promise<FinderOutcome> {
  checkSweep(settings);
  const started = performance.now();
  return whileDecoding(await beginWorkbench(settings, { emit, signal }), { emit, signal }, (open, stop) => {
    return recordSweeps(open, settings, { environment, emit, signal: stop }, draw, started);
  });
}

async function recordSweeps(
  { bench, whole }: OpenBench,
  settings: Settings,
  { environment, emit, signal }: ExperimentContext,
  draw: Draw,
  started: number,
): Promise<FinderOutcome> {
  const config = finderConfig(bench, settings);
  const workers = settings.workers ?? availableParallelism();
  const where = { ...environment, workers };
  const folder = new Upcoming(whole, async () =>
    SweepFolder.create(settings.out, `find-lr-seed${config.seed}`, {
      config,
      environment: where,
      dataset: datasetDocument(await whole),
    }),
  );
  try {
    const onPoint = async (seed: number, point: RangePoint) => {
      folder.act((open) => open.appendPoint({ seed, ...recorded(point) }));
      await folder.madeIfKnown();
    };
    await folder.madeIfKnown();
    const found = await findLearningRate(bench, config, { workers, emit, signal, onPoint });
    const { curves, ...advice } = found;
    const open = await folder.ready;
    const document: FinderDocument = {
      schemaVersion: SCHEMA_VERSION,
      command: 'find-lr',
      status: signal.aborted ? 'interrupted' : 'completed',
      run: open.dir,
      config,
      environment: where,
      dataset: datasetSummary(await whole),
      seconds: (performance.now() - started) / 1000,
      curves: curves.map((curve) => ({ ...curve, points: curve.points.map(recorded) })),
      ...advice,
    };
    await open.writeSuggestion(advice);
    const svg = await draw({ ...found, config });
    await open.writeCharts({ svg, png: await pngOf(svg) });
    await open.finish(document);
    return { document, curves };
  } finally {
    await folder.ready.catch(() => undefined);
    await folder.here?.close();
  }
}

function recorded({ step, learningRate, loss, smoothedLoss }: RangePoint): Omit<CurveLine, 'seed'> {
  return { step, learningRate, loss: finiteOrNull(loss), smoothedLoss: finiteOrNull(smoothedLoss) };
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
