import { availableParallelism } from 'node:os';
import type { Settings } from '../config/default-settings.js';
import { checkSweep, type FinderConfig } from '../config/finder-config.js';
import { pngOf } from '../record/png.js';
import { SCHEMA_VERSION } from '../record/schema-version.js';
import { SweepFolder, type CurveLine } from '../record/sweep-folder.js';
import type { RangeCurve, RangePoint } from '../stats/range-curve.js';
import { datasetDocument, datasetSummary, type DatasetSummary } from './dataset-document.js';
import type { Environment } from './environment.js';
import type { Emit } from './events.js';
import { finderConfig, findLearningRate, type FoundRate } from './find-lr.js';
import { openWorkbench } from './workbench.js';

/** What an experiment runs in. */
export interface ExperimentContext {
  readonly environment: Environment;
  readonly emit: Emit;
  readonly signal: AbortSignal;
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

/**
 * `onecycle find-lr`: range tests, recorded in a folder of their own. Interrupted, it records what was measured.
 * @param draw the chart as an SVG document
 */
export async function runFinder(
  settings: Settings,
  { environment, emit, signal }: ExperimentContext,
  draw: (found: FoundRate & { readonly config: FinderConfig }) => Promise<string>,
): Promise<FinderOutcome> {
  checkSweep(settings);
  const started = performance.now();
  const bench = await openWorkbench(settings, { emit, signal });
  try {
    const config = finderConfig(bench, settings);
    const workers = settings.workers ?? availableParallelism();
    const where = { ...environment, workers };
    const folder = await SweepFolder.create(settings.out, `find-lr-seed${config.seed}`, {
      config,
      environment: where,
      dataset: datasetDocument(bench),
    });
    try {
      const onPoint = (seed: number, point: RangePoint) => folder.appendPoint({ seed, ...recorded(point) });
      const found = await findLearningRate(bench, config, { workers, emit, signal, onPoint });
      const { curves, ...advice } = found;
      const document: FinderDocument = {
        schemaVersion: SCHEMA_VERSION,
        command: 'find-lr',
        status: signal.aborted ? 'interrupted' : 'completed',
        run: folder.dir,
        config,
        environment: where,
        dataset: datasetSummary(bench),
        seconds: (performance.now() - started) / 1000,
        curves: curves.map((curve) => ({ ...curve, points: curve.points.map(recorded) })),
        ...advice,
      };
      await folder.writeSuggestion(advice);
      const svg = await draw({ ...found, config });
      await folder.writeCharts({ svg, png: await pngOf(svg) });
      await folder.finish(document);
      return { document, curves };
    } finally {
      await folder.close();
    }
  } finally {
    bench.close();
  }
}

function recorded({ step, learningRate, loss, smoothedLoss }: RangePoint): Omit<CurveLine, 'seed'> {
  return { step, learningRate, loss: finiteOrNull(loss), smoothedLoss: finiteOrNull(smoothedLoss) };
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
