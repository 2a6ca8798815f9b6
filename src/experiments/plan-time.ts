import { performance } from 'node:perf_hooks';
import { planSchedule } from '../config/plan-schedule.js';
import { median } from '../stats/median.js';
import { trainSteps } from '../training/train-steps.js';
import { readableRuns } from './find-recorded.js';
import type { PlannedRun } from './plan-runs.js';
import { epochBatches, openRunEngine } from './run-engine.js';
import { plannedArmKey, recordedArmKey } from './run-key-of.js';
import type { TrainRequest } from './train.js';
import { stepsPerEpoch } from './workbench.js';

/** How long the runs of a plan take. */
export interface PlanTime {
  /** Of one run, in seconds. */
  readonly secondsPerRun: number;
  /** What that is taken from: finished runs in --out, or some steps that were timed now. */
  readonly from: 'runs' | 'steps';
  /** How many of these. */
  readonly count: number;
  /** Runs that are still to be trained. */
  readonly missing: number;
  /** One after the other, in seconds. */
  readonly totalSeconds: number;
}

/** Timing stops after so many seconds or steps, whichever comes first; the first step warms up. */
const SECONDS = 8;
const STEPS = 12;
/** A forward pass alone costs about a third of a training step. */
const EVALUATION_SHARE = 1 / 3;

/** Estimates from runs of the same arms in --out, else from a short timing on this machine. */
export async function planTime(
  request: TrainRequest,
  planned: readonly PlannedRun[],
  missing: readonly PlannedRun[],
  workers: number,
): Promise<PlanTime> {
  const seen = await recordedSeconds(request, planned);
  const timed = seen.length > 0 ? null : await timeSteps(request, planned, workers);
  const secondsPerRun = timed === null ? median(seen) : timed.seconds;
  return {
    secondsPerRun,
    from: timed === null ? 'runs' : 'steps',
    count: timed === null ? seen.length : timed.steps,
    missing: missing.length,
    totalSeconds: secondsPerRun * missing.length,
  };
}

async function recordedSeconds({ settings, environment }: TrainRequest, planned: readonly PlannedRun[]) {
  const keys = new Set(planned.map(({ bench, config }) => plannedArmKey(bench, config, environment)));
  return (await readableRuns(settings.out))
    .filter((record) => record.status === 'completed' && keys.has(recordedArmKey(record)))
    .map(({ epochs }) => epochs.reduce((sum, { seconds }) => sum + seconds, 0));
}

async function timeSteps({ signal }: TrainRequest, [first]: readonly PlannedRun[], workers: number) {
  if (first === undefined) return { seconds: 0, steps: 0 };
  const { bench, config } = first;
  const epochSteps = stepsPerEpoch(bench, config);
  const schedule = planSchedule(config, epochSteps);
  const engine = await openRunEngine(bench, config, workers);
  try {
    const started = performance.now();
    const times: number[] = [];
    let before = started;
    const position = { epoch: 1, firstStep: 0, scheduleState: schedule.initialState, signal };
    for await (const { step } of trainSteps(
      engine,
      epochBatches(bench, engine, config, 1, 0),
      schedule,
      position,
    )) {
      const now = performance.now();
      times.push((now - before) / 1000);
      before = now;
      if (step >= STEPS || now - started > SECONDS * 1000) break;
    }
    signal.throwIfAborted();
    const typical = median(times.length > 1 ? times.slice(1) : times);
    const evaluated = bench.images.valid.length / bench.images.train.length;
    const seconds = typical * schedule.totalSteps * (1 + EVALUATION_SHARE * evaluated);
    return { seconds, steps: times.length };
  } finally {
    await engine.dispose();
  }
}
