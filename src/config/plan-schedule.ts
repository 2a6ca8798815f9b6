import { UsageError } from '../errors.js';
import {
  type CycleRule,
  earlyStopping,
  neverStopping,
  type StoppableSchedule,
} from '../schedule/early-stop.js';
import { type Decay, fixed } from '../schedule/fixed.js';
import { oneCycle } from '../schedule/one-cycle.js';
import { expectStep, type Schedule, ScheduleError } from '../schedule/schedule.js';
import { flagName } from './options.js';
import type { RunConfig } from './run-config.js';

/**
 * The schedule of a run, as replans and early stopping make it. This is where epochs and shares of the budget become
 * steps, once.
 * @param stepsPerEpoch mini-batches in an epoch, the last and smaller one included
 * @throws UsageError naming the flag, where there is no such schedule over so many steps
 */
export function planSchedule(config: RunConfig, stepsPerEpoch: number): StoppableSchedule {
  try {
    return scheduleOf(config, stepsPerEpoch);
  } catch (error) {
    throw error instanceof ScheduleError ? new UsageError(error.told(flagOf)) : error;
  }
}

/** Options that a schedule knows by other names than the command line does. */
const FLAGS: Readonly<Record<string, string>> = {
  learningRate: '--lr',
  maxLr: '--lr',
  baseMomentum: '--momentum-range',
  maxMomentum: '--momentum-range',
};

function flagOf(option: string): string {
  return FLAGS[option] ?? flagName(option);
}

function scheduleOf(config: RunConfig, stepsPerEpoch: number): StoppableSchedule {
  const replans = config.replans ?? [];
  const plan = (epochs: number) => planPolicy({ ...config, epochs }, stepsPerEpoch);
  const schedule = replanned(
    plan(replans[0]?.fromEpochs ?? config.epochs),
    replans.map(({ step, toEpochs }) => ({ from: step, schedule: plan(toEpochs) })),
  );
  if (config.earlyStop === null) return neverStopping(schedule);
  const cycle = config.policy === '1cycle' ? planCycleRule(config, schedule.totalSteps) : null;
  return earlyStopping(schedule, { patience: config.earlyStop, stepsPerEpoch, cycle });
}

function planCycleRule(config: RunConfig, totalSteps: number): CycleRule {
  const { lr, divFactor, finalDivFactor, momentumRange, onStop, anneal } = config;
  return {
    onStop,
    peak: config.pctStart * totalSteps - 1,
    final: { learningRate: lr / divFactor / finalDivFactor, momentum: momentumRange[0] },
    anneal,
  };
}

function planPolicy(config: RunConfig, stepsPerEpoch: number): Schedule {
  const totalSteps = config.epochs * stepsPerEpoch;
  if (config.policy === '1cycle') {
    const [maxMomentum, baseMomentum] = config.momentumRange;
    return oneCycle({
      totalSteps,
      maxLr: config.lr,
      pctStart: config.pctStart,
      divFactor: config.divFactor,
      finalDivFactor: config.finalDivFactor,
      maxMomentum,
      baseMomentum,
      anneal: config.anneal,
      threePhase: config.threePhase,
    });
  }
  const decay = planDecay(config, totalSteps, stepsPerEpoch);
  return fixed({ totalSteps, learningRate: config.lr, momentum: config.momentum, decay });
}

function planDecay(config: RunConfig, totalSteps: number, stepsPerEpoch: number): Decay {
  switch (config.decay) {
    case 'none':
      return { kind: 'none' };
    case 'step':
      return { kind: 'step', at: cutSteps(config, totalSteps, stepsPerEpoch), factor: config.decayFactor };
    case 'exponential':
      return { kind: 'exponential', factor: config.decayFactor, stepsPerEpoch };
    case 'cosine':
      return { kind: 'cosine', stepsPerEpoch };
    case 'plateau':
      return { kind: 'plateau', factor: config.decayFactor, patience: config.patience };
  }
}

function cutSteps(
  { decayAt, decayEvery, epochs }: RunConfig,
  totalSteps: number,
  stepsPerEpoch: number,
): number[] {
  // In a short run a share may round to step 0, where a cut would be no cut but another first rate.
  const cutAt = (share: number) => Math.max(1, Math.round(share * totalSteps));
  if (decayEvery === null) return decayAt.map(cutAt);
  const cuts = Math.ceil(epochs / decayEvery) - 1;
  return Array.from({ length: cuts }, (_, i) => (i + 1) * decayEvery * stepsPerEpoch);
}

/** A plan, and the step from which it holds. */
interface PlanPiece<State> {
  readonly from: number;
  readonly schedule: Schedule<State>;
}

/**
 * Plans that replaced each other in the middle of a run, as when a run is extended: each step has the rate that the
 * plan of its time gives. All plans share one kind of state; the first begins at step 0, and the last says how many
 * steps there are.
 */
export function replanned<State>(
  first: Schedule<State>,
  later: readonly PlanPiece<State>[],
): Schedule<State> {
  const last = later.at(-1)?.schedule ?? first;
  return {
    totalSteps: last.totalSteps,
    initialState: first.initialState,
    at(state, step) {
      expectStep(step, last.totalSteps);
      const piece = later.findLast(({ from }) => from <= step);
      return (piece?.schedule ?? first).at(state, step);
    },
    observe: (state, epoch) => last.observe(state, epoch),
  };
}
