import {
  annealings,
  type AnnealName,
  expectStep,
  expectWhole,
  type Rates,
  type Schedule,
} from './schedule.js';

/** What early stopping has decided, in numbers; steps count from 0, epochs from 1. */
export interface EarlyStopDecision {
  /** The epoch after which it was decided. */
  readonly epoch: number;
  /** Epochs without a better validation loss by then. */
  readonly badEpochs: number;
  /** The lowest validation loss until then. */
  readonly best: number;
  /** `stop`: no further step; `anneal`: one last descent, then stop; `none`: the cycle is left alone. */
  readonly action: 'stop' | 'anneal' | 'none';
}

/** A schedule whose run may end before its last planned step. */
export interface StoppableSchedule<State = unknown> extends Schedule<State> {
  /** Steps of the whole run as this state has it; at most totalSteps, and the end of an epoch. */
  end(state: State): number;
  /** Null until early stopping has decided something. */
  decision(state: State): EarlyStopDecision | null;
  /** The state with which a run goes on over more epochs: what was decided for the old plan is forgotten. */
  reopen(state: State): State;
}

/** A schedule that always runs to its last step. */
export function neverStopping<State>(schedule: Schedule<State>): StoppableSchedule<State> {
  return { ...schedule, end: () => schedule.totalSteps, decision: () => null, reopen: (state) => state };
}

/** When a run ends early, and how. */
interface EarlyStopRule {
  /** Epochs without a lower validation loss that are enough. */
  readonly patience: number;
  readonly stepsPerEpoch: number;
  readonly cycle: CycleRule | null;
}

/** How a cycle ends early; without a cycle the run stops on the spot. */
export interface CycleRule {
  /** `wait`: the cycle is never cut; `anneal`: one epoch of descent, then the end. */
  readonly onStop: 'wait' | 'anneal';
  /** Fractional step at which the rate is highest: epochs that end before it count for nothing. */
  readonly peak: number;
  /** Where the descent ends. */
  readonly final: Rates;
  readonly anneal: AnnealName;
}

/** What early stopping remembers between epochs; JSON, so that a checkpoint can hold it. */
export interface EarlyStopState<Inner> {
  /** Of the schedule that is watched. */
  readonly inner: Inner;
  /** The lowest validation loss; null before the first epoch. */
  readonly best: number | null;
  /** Epochs since `best` that count. */
  readonly badEpochs: number;
  readonly decision: EarlyStopDecision | null;
  /** The descent that replaces what was planned from `step` on, or null. */
  readonly descent: { readonly step: number; readonly from: Rates } | null;
}

/**
 * Early stopping that knows the cycle (Prechelt, Early Stopping - But When?, 1998, criterion UP, here by epochs
 * without a new lowest validation loss).
 *
 * A run without a cycle stops after the epoch that exhausts `patience`. A cycle's loss is expected to rise while
 * its rate does, so that epochs which end before the maximum count for nothing; after it `wait` leaves the cycle
 * alone, while `anneal` brings the rate from where it is to the final one within one epoch, momentum back to its
 * maximum, and stops. Where no more than one epoch is left the cycle ends as planned: its own descent is as short.
 */
export function earlyStopping<Inner>(
  schedule: Schedule<Inner>,
  { patience, stepsPerEpoch, cycle }: EarlyStopRule,
): StoppableSchedule<EarlyStopState<Inner>> {
  expectWhole('earlyStop', patience, 1);
  const { totalSteps } = schedule;
  const end = ({ decision, descent }: EarlyStopState<Inner>): number => {
    if (descent !== null) return descent.step + stepsPerEpoch;
    return decision?.action === 'stop' ? decision.epoch * stepsPerEpoch : totalSteps;
  };

  return {
    totalSteps,
    initialState: {
      inner: schedule.initialState,
      best: null,
      badEpochs: 0,
      decision: null,
      descent: null,
    },
    at({ inner, descent }, step) {
      expectStep(step, totalSteps);
      if (descent === null || cycle === null || step < descent.step) return schedule.at(inner, step);
      const anneal = annealings[cycle.anneal];
      const fraction = Math.min(1, (step - descent.step + 1) / stepsPerEpoch);
      return {
        learningRate: anneal(descent.from.learningRate, cycle.final.learningRate, fraction),
        momentum: anneal(descent.from.momentum, cycle.final.momentum, fraction),
      };
    },
    observe(before, observation) {
      const { epoch, validLoss } = observation;
      const inner = schedule.observe(before.inner, observation);
      // The first step of the next epoch.
      const step = epoch * stepsPerEpoch;
      if (before.best === null || validLoss < before.best) {
        return { ...before, inner, best: validLoss, badEpochs: 0 };
      }
      const counts = cycle === null || step - 1 >= cycle.peak;
      const badEpochs = before.badEpochs + (counts ? 1 : 0);
      if (badEpochs < patience || before.decision !== null) return { ...before, inner, badEpochs };
      const annealed = cycle?.onStop === 'anneal' && totalSteps - step > stepsPerEpoch;
      const action = cycle === null ? 'stop' : annealed ? 'anneal' : 'none';
      return {
        inner,
        best: before.best,
        badEpochs,
        decision: { epoch, badEpochs, best: before.best, action },
        descent: annealed ? { step, from: schedule.at(before.inner, step - 1) } : null,
      };
    },
    end,
    decision: ({ decision }) => decision,
    reopen: (state) => ({ ...state, badEpochs: 0, decision: null, descent: null }),
  };
}
