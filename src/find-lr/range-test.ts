import type { FinderConfig } from '../config/run-config.js';
import type { ImageSet } from '../data/images/batches.js';
import type { Engine } from '../engine/engine.js';
import { fingerprint } from '../engine/params.js';
import { lrRange } from '../schedule/lr-range.js';
import { movingAverage, type RangeCurve, type RangePoint } from '../stats/range/curve.js';
import { rangeStop } from '../stats/range/stop.js';
import { evaluate } from '../workbench/evaluate.js';
import type { Worked } from '../workbench/events.js';
import { epochBatches, evaluationBatches, openRunEngine } from '../workbench/run-engine.js';
import { trainSteps } from '../workbench/steps.js';
import type { BenchContext, Workbench } from '../workbench/bench.js';

/** Validation images behind each point of `--loss valid`: few enough to cost little. */
export const VALID_SUBSET = 64;

/** What a range test needs beside its configuration. */
export interface RangeTestContext extends BenchContext {
  readonly workers: number;
  /** Receives every point as soon as it is measured. */
  readonly onPoint?: (seed: number, point: RangePoint) => Promise<void>;
}

/**
 * Learning-rate range test (Smith, arXiv 1506.01186, section 3.3) of the configuration's first seed: the
 * rate rises at every mini-batch until the loss diverges, collapses, or the sweep ends.
 *
 * Leaves no trace: weights and momentum buffers are put back and their fingerprint is checked; random
 * streams and the order of the data have no state that could move.
 */
export async function rangeTest(
  bench: Workbench<ImageSet>,
  given: FinderConfig,
  context: RangeTestContext,
): Promise<RangeCurve> {
  // Gradients accumulated over N batches are those of one batch N times as large.
  const config = { ...given, batchSize: given.batchSize * given.accumulate };
  const engine = await openRunEngine(bench, config, context.workers);
  try {
    const before = await engine.snapshot();
    const curve = await sweep(bench, engine, config, context);
    await engine.restore(before);
    if (fingerprint(await engine.snapshot()) !== fingerprint(before)) {
      throw new Error('the range test did not put the network back as it was');
    }
    return curve;
  } finally {
    await engine.dispose();
  }
}

async function sweep(
  bench: Workbench<ImageSet>,
  engine: Engine,
  config: FinderConfig,
  { emit, onPoint, signal }: RangeTestContext,
): Promise<RangeCurve> {
  const { seed, minLr, maxLr, steps, momentum } = config;
  const schedule = lrRange({ totalSteps: steps, minLr, maxLr, momentum, sweep: config.sweep });
  const smooth = movingAverage(config.smoothing);
  const stop = rangeStop({ classes: bench.images.classNames.length, stopAt: config.stopAt });
  let state = stop.initialState;
  const points: RangePoint[] = [];
  const worked: Worked = (kind, images) => emit({ type: 'work', name: `seed ${seed}`, kind, images });
  for (let epoch = 1; points.length < steps && !signal.aborted; epoch++) {
    const batches = epochBatches(bench, engine, config, epoch, 0, worked);
    const position = { epoch, firstStep: points.length, scheduleState: null, signal };
    for await (const record of trainSteps(engine, batches, schedule, position)) {
      const { step, learningRate } = record;
      worked('train', config.batchSize);
      const loss = config.loss === 'train' ? record.loss : await validLoss(bench, engine, worked);
      const point = { step, learningRate, loss, smoothedLoss: smooth(loss) };
      points.push(point);
      await onPoint?.(seed, point);
      state = stop.observe(state, { step, smoothedLoss: point.smoothedLoss, rawLoss: loss });
      const ended = state.stop !== 'end' || points.length === steps;
      emit({ type: 'sweep', seed, step: step + 1, steps, ...(ended && { stop: state.stop }) });
      if (state.stop !== 'end') return { seed, points, divergedAt: state.at, stop: state.stop };
    }
  }
  return { seed, points, divergedAt: null, stop: 'end' };
}

async function validLoss(bench: Workbench<ImageSet>, engine: Engine, worked: Worked): Promise<number> {
  const batches = evaluationBatches(bench, engine, { limit: VALID_SUBSET, worked });
  return (await evaluate(engine, batches, worked)).loss;
}
