import {
  cosine,
  expectFactor,
  expectMomentum,
  expectRate,
  expectStep,
  expectWhole,
  refuse,
  type Schedule,
} from './schedule.js';

/** How the rate of a fixed policy falls over the run. Steps are mini-batches. */
export type Decay =
  | { readonly kind: 'none' }
  /** Times `factor` at each of the steps `at`, in ascending order; steps beyond the run never come. */
  | { readonly kind: 'step'; readonly at: readonly number[]; readonly factor: number }
  /** Times `factor` at the start of each epoch but the first. */
  | { readonly kind: 'exponential'; readonly factor: number; readonly stepsPerEpoch: number }
  /** Half a cosine wave over the whole budget, one rate an epoch; it would be 0 after the last. */
  | { readonly kind: 'cosine'; readonly stepsPerEpoch: number }
  /** Times `factor` where the validation loss has not improved for more than `patience` epochs. */
  | { readonly kind: 'plateau'; readonly factor: number; readonly patience: number };

/** What shapes a fixed policy. */
interface FixedOptions {
  readonly totalSteps: number;
  /** The rate of the first step. */
  readonly learningRate: number;
  /** Constant over the run. */
  readonly momentum: number;
  /** [none] */
  readonly decay?: Decay;
}

/** The state of a fixed policy; null for every decay but plateau. */
export type FixedState = PlateauState | null;

/**
 * The conventional policy: a rate that is constant or decays, and a constant momentum. Equal to torch's
 * MultiStepLR, ExponentialLR, CosineAnnealingLR (eta_min 0) and ReduceLROnPlateau.
 * Throws ScheduleError for options out of range.
 */
export function fixed(options: FixedOptions): Schedule<FixedState> {
  const { totalSteps, learningRate, momentum, decay = { kind: 'none' } } = options;
  expectWhole('totalSteps', totalSteps, 1);
  expectRate('learningRate', learningRate);
  expectMomentum('momentum', momentum);
  expectDecay(decay);

  return {
    totalSteps,
    initialState: decay.kind === 'plateau' ? initialPlateau : null,
    at(state, step) {
      expectStep(step, totalSteps);
      return { learningRate: learningRate * decayedShare(decay, state, step, totalSteps), momentum };
    },
    observe: (state, { validLoss }) =>
      decay.kind === 'plateau' && state !== null ? observePlateau(state, validLoss, decay.patience) : state,
  };
}

/** The share of the first rate that is left at `step`. */
function decayedShare(decay: Decay, state: FixedState, step: number, totalSteps: number): number {
  switch (decay.kind) {
    case 'none':
      return 1;
    case 'step':
      return decay.factor ** decay.at.filter((milestone) => milestone <= step).length;
    case 'exponential':
      return decay.factor ** Math.floor(step / decay.stepsPerEpoch);
    case 'cosine':
      return cosine(1, 0, (Math.floor(step / decay.stepsPerEpoch) * decay.stepsPerEpoch) / totalSteps);
    case 'plateau':
      return decay.factor ** (state?.reductions ?? 0);
  }
}

function expectDecay(decay: Decay): void {
  if ('factor' in decay) {
    expectFactor('decayFactor', decay.factor);
    if (decay.factor > 1) refuse('decayFactor', decay.factor, 'at most 1, since a decay lowers the rate');
  }
  if ('stepsPerEpoch' in decay) expectWhole('stepsPerEpoch', decay.stepsPerEpoch, 1);
  if (decay.kind === 'plateau') expectWhole('patience', decay.patience, 0);
  if (decay.kind === 'step') {
    let previous = 1;
    for (const milestone of decay.at) {
      expectWhole('decayAt', milestone, previous);
      previous = milestone;
    }
  }
}

/** What plateau decay remembers between epochs; JSON, so that a checkpoint can hold it. */
interface PlateauState {
  /** The validation loss to beat; null before the first epoch. */
  readonly best: number | null;
  /** Epochs since `best`, or since the last reduction. */
  readonly badEpochs: number;
  /** How often the rate was reduced. */
  readonly reductions: number;
}

/** An improvement counts from this share of the best loss on (torch's default, threshold_mode rel). */
const threshold = 1e-4;

/** The state before the first epoch. */
const initialPlateau: PlateauState = { best: null, badEpochs: 0, reductions: 0 };

/**
 * One epoch of torch's ReduceLROnPlateau (mode min, no cooldown): the rate is reduced at the end of the
 * epoch that exceeds `patience` epochs without an improvement. A validation loss of NaN is none. Unlike
 * torch, tiny reductions are made too: there, one that changes the rate by less than 1e-8 is left out.
 */
function observePlateau(state: PlateauState, validLoss: number, patience: number): PlateauState {
  const bar = state.best === null ? Infinity : state.best * (1 - threshold);
  if (validLoss < bar) return { ...state, best: validLoss, badEpochs: 0 };
  const badEpochs = state.badEpochs + 1;
  if (badEpochs <= patience) return { ...state, badEpochs };
  return { ...state, badEpochs: 0, reductions: state.reductions + 1 };
}
