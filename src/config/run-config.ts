import type { Settings } from './default-settings.js';
import type { Trainable } from './options.js';

/** The settings that make a training run what it is. */
type RunSettings = Pick<
  Settings,
  | 'data'
  | 'valSplit'
  | 'followLinks'
  | 'weights'
  | 'trainable'
  | 'headLrMultiplier'
  | 'batchSize'
  | 'epochs'
  | 'weightDecay'
  | 'labelSmoothing'
  | 'seed'
  | 'augment'
  | 'policy'
  | 'momentum'
  | 'decay'
  | 'decayAt'
  | 'decayFactor'
  | 'patience'
  | 'momentumRange'
  | 'pctStart'
  | 'divFactor'
  | 'finalDivFactor'
  | 'anneal'
  | 'threePhase'
  | 'onStop'
>;

/** A schedule that was planned anew over more epochs in the middle of a run. */
export interface Replan {
  /** The first step under the new plan. */
  readonly step: number;
  readonly fromEpochs: number;
  readonly toEpochs: number;
}

/** One training run, resolved: every number that was used, as config.json holds it. */
export interface RunConfig extends RunSettings {
  /** Of the split into training and validation images, where the data does not make it. */
  readonly splitSeed: number;
  /** Pixels a side of the network's input. */
  readonly imageSize: number;
  /** Augmented views kept of each image, or null where every epoch draws afresh. */
  readonly views: number | null;
  /** The backbone's rate, under 1cycle its maximum; the head's own with --trainable head. */
  readonly lr: number;
  /** Epochs between two cuts, or null where decayAt says when. */
  readonly decayEvery: number | null;
  readonly earlyStop: number | null;
  /** The arm's name in a comparison; the policy elsewhere. */
  readonly arm: string;
  /** Oldest first; absent where the run was never extended. `epochs` is what the last one made it. */
  readonly replans?: readonly Replan[];
}

/** The row of the rate table that a trained part belongs to. */
export function trainedPart(trainable: Trainable): 'all' | 'head' | 'last' {
  return trainable === 'all' || trainable === 'head' ? trainable : 'last';
}

/** Fixes everything that had to wait for the data, the weights and the finder. */
export function resolveRun(
  settings: Settings,
  resolved: Pick<RunConfig, 'imageSize' | 'lr' | 'arm'> & { readonly frozen: boolean },
): Readonly<RunConfig> {
  const { frozen, ...rest } = resolved;
  return Object.freeze({
    data: settings.data,
    valSplit: settings.valSplit,
    splitSeed: settings.splitSeed ?? settings.seed,
    followLinks: settings.followLinks,
    weights: settings.weights,
    trainable: settings.trainable,
    headLrMultiplier: settings.headLrMultiplier,
    batchSize: settings.batchSize,
    epochs: settings.epochs,
    weightDecay: settings.weightDecay,
    labelSmoothing: settings.labelSmoothing,
    seed: settings.seed,
    augment: settings.augment,
    views: frozen ? effectiveViews(settings) : null,
    policy: settings.policy,
    momentum: settings.momentum,
    decay: settings.decay,
    decayAt: settings.decayAt,
    decayEvery: settings.decayEvery ?? null,
    decayFactor: settings.decayFactor,
    patience: settings.patience,
    momentumRange: settings.momentumRange,
    pctStart: settings.pctStart,
    divFactor: settings.divFactor,
    finalDivFactor: settings.finalDivFactor,
    anneal: settings.anneal,
    threePhase: settings.threePhase,
    earlyStop: settings.earlyStop ?? null,
    onStop: settings.onStop,
    ...rest,
  });
}

/** Views kept of each image where a part is frozen; without augmentation they would all be the same. */
export function effectiveViews({ augment, views }: Pick<Settings, 'augment' | 'views'>): number {
  return augment === 'none' ? 1 : views;
}
