import { availableParallelism } from 'node:os';
import { checkSweep, type FinderConfig, resolveFinder } from '../config/run-config.js';
import type { Settings } from '../config/settings.js';
import type { ImageSet } from '../data/images/batches.js';
import {
  type CurveLine,
  type Environment,
  type FinderDocument,
  type FoundRate,
  SCHEMA_VERSION,
} from '../runs/documents.js';
import { adviceReason, interruptedReason } from '../report/words/advice.js';
import { pngOf } from '../runs/png.js';
import { SweepFolder } from '../runs/range-test-folder.js';
import type { RangeCurve, RangePoint } from '../stats/range/curve.js';
import { recommend } from '../stats/range/recommend.js';
import { suggestOverSeeds } from '../stats/range/suggestions.js';
import { DeferredFolder } from '../workbench/deferred-folder.js';
import {
  beginWorkbench,
  type BenchContext,
  datasetDocument,
  datasetSummary,
  type OpenBench,
  whileDecoding,
  type Workbench,
} from '../workbench/workbench.js';
import { rangeTest, type SweepContext } from './range-test.js';

/** What an experiment runs in. */
export interface ExperimentContext extends BenchContext {
  readonly environment: Environment;
}

/** The document, and the curves with their NaN for whoever draws them. */
interface FinderOutcome {
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
  const folder = new DeferredFolder(whole, async () =>
    SweepFolder.create(settings.out, `find-lr-seed${config.seed}`, {
      config,
      environment: where,
      dataset: datasetDocument(await whole),
    }),
  );
  try {
    const onPoint = async (seed: number, point: RangePoint) => {
      folder.write((open) => open.appendPoint({ seed, ...recorded(point) }));
      await folder.finishCreating();
    };
    await folder.finishCreating();
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
    await folder.created?.close();
  }
}

function recorded({ step, learningRate, loss, smoothedLoss }: RangePoint): Omit<CurveLine, 'seed'> {
  return { step, learningRate, loss: finiteOrNull(loss), smoothedLoss: finiteOrNull(smoothedLoss) };
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/**
 * Range tests over the configuration's seeds, and what to make of them. Ends early when aborted, and then
 * recommends nothing.
 */
export async function findLearningRate(
  bench: Workbench<ImageSet>,
  config: FinderConfig,
  context: SweepContext,
): Promise<FoundRate> {
  const curves: RangeCurve[] = [];
  for (let i = 0; i < config.seeds && !context.signal.aborted; i++) {
    const curve = await rangeTest(bench, { ...config, seed: config.seed + i }, context);
    if (curve.points.length > 0) curves.push(curve);
  }
  const [start, end] = config.trim;
  const suggestions = suggestOverSeeds(curves, { plannedSteps: config.steps, trim: { start, end } });
  const advice = recommend(curves, config.trainingSteps);
  const { agreement } = advice;
  if (context.signal.aborted) {
    const done = curves.reduce((sum, { points }) => sum + points.length, 0);
    const reason = interruptedReason(done, config.seeds * config.steps);
    return { curves, suggestions, recommended: null, reason, agreement };
  }
  const reason = adviceReason(advice, bench.images.classNames.length);
  return { curves, suggestions, recommended: advice.recommended, reason, agreement };
}

/**
 * The recommendation for a run that is about to start on this bench. Throws the signal's reason where it is
 * interrupted, and UsageError as `resolveFinder` does.
 */
export async function adviseRate(
  bench: Workbench<ImageSet>,
  settings: Settings,
  context: SweepContext,
): Promise<FoundRate> {
  const found = await findLearningRate(bench, finderConfig(bench, settings), context);
  context.signal.throwIfAborted();
  return found;
}

/** The range tests that the settings ask for on this bench. Throws UsageError as `resolveFinder` does. */
export function finderConfig(
  { imageSize, features, images }: Workbench<ImageSet>,
  settings: Settings,
): FinderConfig {
  const known = { imageSize, frozen: features !== undefined, trainImages: images.train.length };
  return resolveFinder(settings, known);
}
