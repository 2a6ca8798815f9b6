import { availableParallelism } from 'node:os';
import { checkSweep, type FinderConfig, resolveFinder } from '../config/run-config.js';
import type { Settings } from '../config/settings.js';
import { batchesPerEpoch, type ImageSet } from '../data/images/batches.js';
import { pngOf } from '../data/images/decode.js';
import { messageOf } from '../errors.js';
import { adviceReason, interruptedReason } from '../report/words/advice.js';
import {
  type CurveLine,
  type Environment,
  type FinderDocument,
  type FinderDryRun,
  type FoundRate,
  type RecordedCurve,
  SCHEMA_VERSION,
} from '../runs/documents.js';
import { asJson, type JsonObject } from '../runs/json.js';
import { RangeTestFolder, readRangeTest, type Suggestion } from '../runs/range-test-folder.js';
import { listRuns, recordKey } from '../runs/read-run.js';
import { lrRange } from '../schedule/lr-range.js';
import type { RangeCurve, RangePoint } from '../stats/range/curve.js';
import { recommend } from '../stats/range/recommend.js';
import { suggestOverSeeds } from '../stats/range/suggestions.js';
import { DeferredFolder } from '../workbench/deferred-folder.js';
import { frozenWork, measureCost, weightsNote } from '../workbench/run-engine.js';
import {
  type BenchContext,
  datasetDocument,
  datasetSummary,
  type OpenBench,
  type Workbench,
} from '../workbench/bench.js';
import {
  beginWorkbench,
  networkConfig,
  openWorkbench,
  surveyWorkbench,
  whileDecoding,
} from '../workbench/workbench.js';
import { rangeTest, type RangeTestContext, VALID_SUBSET } from './range-test.js';

/** What an experiment runs in. */
export interface ExperimentContext extends BenchContext {
  readonly environment: Environment;
}

/**
 * `onecycle find-lr`: range tests, recorded in a folder of their own. Interrupted, it records what was measured. Where --out
 * holds the very same ones, finished, they are taken; with --again they are made anew.
 */
export async function runFinder(settings: Settings, context: ExperimentContext): Promise<FinderDocument> {
  checkSweep(settings);
  const started = performance.now();
  const coming = beginWorkbench(await surveyWorkbench(settings, context), context);
  return whileDecoding(coming, context, async (open, signal) => {
    tellWeights(open.bench, settings, context);
    const known = settings.again ? undefined : await findRangeTest(open, settings, context.environment);
    if (known !== undefined) {
      const text = `The range test was made already, and is taken from ${known.run}. --again makes it anew.`;
      context.emit({ type: 'note', text });
      return recordedDocument(known);
    }
    const workers = settings.workers ?? availableParallelism();
    return recordRangeTest(open, settings, { ...context, signal, workers }, started);
  });
}

/** `onecycle find-lr --dry-run`: the sweep, and what the tests take. */
export async function planFinder(settings: Settings, context: ExperimentContext): Promise<FinderDryRun> {
  checkSweep(settings);
  const bench = await openWorkbench(settings, context);
  try {
    tellWeights(bench, settings, context);
    const config = finderConfig(bench, settings);
    const schedule = lrRange({ ...config, totalSteps: config.steps });
    const steps = Array.from({ length: config.steps }, (_, step) => ({ step, ...schedule.at(null, step) }));
    const one = { ...config, batchSize: config.batchSize * config.accumulate };
    const extent = {
      stepsPerEpoch: batchesPerEpoch(bench.images.train.length, one.batchSize),
      steps: config.steps,
      evaluations: config.loss === 'valid' ? config.steps : 0,
      validBatches: Math.min(VALID_SUBSET, bench.images.valid.length) / one.batchSize,
      runs: config.seeds,
    };
    const workers = settings.workers ?? availableParallelism();
    const cost = await measureCost(bench, one, schedule, extent, { workers, signal: context.signal });
    return {
      schemaVersion: SCHEMA_VERSION,
      command: 'find-lr',
      status: 'completed',
      config,
      environment: context.environment,
      dataset: datasetSummary(bench),
      seconds: performance.now() / 1000,
      steps,
      cost,
    };
  } finally {
    bench.close();
  }
}

function tellWeights({ images }: Workbench<ImageSet>, settings: Settings, { emit }: BenchContext): void {
  const text = weightsNote(images, settings);
  if (text !== undefined) emit({ type: 'note', text });
}

/** What the range test of some settings says, and the folder where it lies. */
export interface Advice extends Suggestion {
  readonly run: string;
}

/**
 * The recommendation for a training that is about to begin on this bench: of the range test with these very settings,
 * images and weights that lies finished in --out, else of one that is made and recorded there now. A note names it.
 *
 * Throws the signal's reason where it is interrupted, and UsageError as `resolveFinder` does.
 */
export async function adviseRate(
  open: OpenBench,
  settings: Settings,
  context: ExperimentContext & { readonly workers: number },
): Promise<Advice> {
  const { emit, signal } = context;
  signal.throwIfAborted();
  const known = await findRangeTest(open, settings, context.environment);
  if (known !== undefined) {
    emit({ type: 'note', text: adviceNote(known.run) });
    emit({ type: 'range-test', document: recordedDocument(known) });
    return known;
  }
  const document = await recordRangeTest(open, settings, context, performance.now());
  signal.throwIfAborted();
  emit({ type: 'note', text: adviceNote(document.run) });
  emit({ type: 'range-test', document });
  return document;
}

function adviceNote(run: string): string {
  return `The learning rate comes from the range test in ${run}.`;
}

/** What a finished range test's result.json says, with the place where it lies now. */
function recordedDocument({ run, result }: FoundTest): FinderDocument {
  return { ...result, run } as unknown as FinderDocument;
}

/** A range test that lies finished in --out. */
type FoundTest = Advice & { readonly result: JsonObject };

/** The finished range test in --out with the same settings, images and weights, computed alike. */
async function findRangeTest(
  { bench, whole }: OpenBench,
  settings: Settings,
  environment: Environment,
): Promise<FoundTest | undefined> {
  const config = asJson(finderConfig(bench, settings));
  const key = recordKey(config, {}, [asJson(environment)]);
  for (const dir of await listRuns(settings.out)) {
    // A damaged record is passed over; --lr from:RUN would report it.
    const found = await readRangeTest(dir).catch(() => undefined);
    if (found?.result?.['status'] !== 'completed') continue;
    if (recordKey(found.config, {}, [found.environment]) !== key) continue;
    // Only a candidate waits for the hashes, which are known once all images are decoded.
    const dataset = asJson(datasetDocument(await whole));
    if (recordKey({}, found.dataset, []) === recordKey({}, dataset, []))
      return { ...found.suggestion, run: dir, result: found.result };
  }
  return undefined;
}

/** Makes the range tests that the settings ask for, and records them while they go on. */
async function recordRangeTest(
  { bench, whole }: OpenBench,
  settings: Settings,
  { environment, emit, signal, workers }: ExperimentContext & { readonly workers: number },
  started: number,
): Promise<FinderDocument> {
  const config = finderConfig(bench, settings);
  const where = { ...environment, workers };
  const folder = new DeferredFolder(whole, async () =>
    RangeTestFolder.create(settings.out, `find-lr-seed${config.seed}`, {
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
      curves: curves.map(recordedCurve),
      ...advice,
    };
    await open.writeSuggestion(advice);
    // The answer is worth more than its picture.
    await writeCharts(open, document).catch((error: unknown) => {
      emit({ type: 'warning', text: `The curve could not be drawn in ${open.dir}: ${messageOf(error)}` });
    });
    await open.finish(document);
    return document;
  } finally {
    await folder.ready.catch(() => undefined);
    await folder.created?.close();
  }
}

/** A curve as JSON can hold it. */
export function recordedCurve(curve: RangeCurve): RecordedCurve {
  return { ...curve, points: curve.points.map(recorded) };
}

async function writeCharts(folder: RangeTestFolder, document: FinderDocument): Promise<void> {
  // Loaded only here: a library for charts is large.
  const [{ rangeChart }, { svgChart }] = await Promise.all([
    import('../report/charts/range-test.js'),
    import('../report/charts/svg.js'),
  ]);
  const svg = svgChart(rangeChart(document), { width: 840, height: 480 });
  await folder.writeCharts({ svg, png: await pngOf(svg) });
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
  context: RangeTestContext,
): Promise<FoundRate> {
  const curves: RangeCurve[] = [];
  tellWork(bench, config, context);
  for (let i = 0; i < config.seeds && !context.signal.aborted; i++) {
    const curve = await rangeTest(bench, { ...config, seed: config.seed + i }, context);
    if (curve.points.length > 0) curves.push(curve);
  }
  return foundRate(curves, config, {
    classes: bench.images.classNames.length,
    interrupted: context.signal.aborted,
  });
}

/** What range tests say together; where they were interrupted they recommend nothing. */
export function foundRate(
  curves: readonly RangeCurve[],
  { steps, seeds, trim: [start, end], trainingSteps, trainable, batchNorm }: FinderConfig,
  { classes, interrupted }: { readonly classes: number; readonly interrupted: boolean },
): FoundRate {
  const suggestions = suggestOverSeeds(curves, { plannedSteps: steps, trim: { start, end } });
  const blocks = batchNorm === 'train' ? 'normalized' : 'folded';
  const advice = recommend(curves, { steps: trainingSteps, part: trainable === 'head' ? 'head' : blocks });
  const { agreement } = advice;
  if (interrupted) {
    const done = curves.reduce((sum, { points }) => sum + points.length, 0);
    const reason = interruptedReason(done, seeds * steps);
    return { curves, suggestions, recommended: null, reason, agreement };
  }
  return {
    curves,
    suggestions,
    recommended: advice.recommended,
    reason: adviceReason(advice, classes),
    agreement,
  };
}

function tellWork(bench: Workbench<ImageSet>, config: FinderConfig, { emit }: RangeTestContext): void {
  const { seed, seeds, steps, views, batchSize, accumulate, loss } = config;
  const train = steps * batchSize * accumulate;
  const valid = Math.min(VALID_SUBSET, bench.images.valid.length);
  const work = { train, evaluate: loss === 'train' ? 0 : steps * valid };
  const evaluated = loss === 'valid';
  const shared = frozenWork(bench, { views, trained: train, seeds, evaluated });
  emit({ type: 'plan', name: '', work: shared, sweep: true });
  for (let i = 0; i < seeds; i++) emit({ type: 'plan', name: `seed ${seed + i}`, work, sweep: true });
}

/** The range tests that the settings ask for on this bench. Throws UsageError as `resolveFinder` does. */
export function finderConfig(bench: Workbench<ImageSet>, settings: Settings): FinderConfig {
  const { imageSize, features, images } = bench;
  const network = networkConfig(bench, settings);
  const known = { imageSize, network, frozen: features !== undefined, trainImages: images.train.length };
  return resolveFinder(settings, known);
}
