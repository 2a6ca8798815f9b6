import { UsageError } from '../errors.js';
import type { Trainable } from './check-settings.js';
import { LARGEST_SEED } from './options.js';
import type { Settings } from './settings.js';

/** The settings that make a training run what it is. */
type RunSettings = Pick<
  Settings,
  | 'data'
  | 'valSplit'
  | 'splitSeed'
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

/**
 * Where a rate comes from: a range test on this data, the options, or the table of built-in rates, which was measured on data
 * like this (`built-in`) or on other data (`built-in-elsewhere`).
 */
export const RATE_SOURCES = ['range-test', 'stated', 'built-in', 'built-in-elsewhere'] as const;
export type RateSource = (typeof RATE_SOURCES)[number];

/** What was made of the network's plan. Absent in records of versions that knew but one way: see documents.ts. */
export interface NetworkConfig {
  /** Of the trained part: folded into the convolutions, or trained by the statistics of each mini-batch. */
  readonly batchNorm?: Settings['batchNorm'];
  /** Share of the running statistics that a step keeps; null where none does, or as the layers of the weights differ in it. */
  readonly bnMomentum?: number | null;
  /** Of the first convolution. */
  readonly stemStride?: number;
  /** Width multiplier of a network that began with random weights; null elsewhere. */
  readonly alpha?: number | null;
}

/** What a training image counts in the loss. Absent in records of versions that knew no weights. */
export interface LossConfig {
  readonly classWeights?: Settings['classWeights'];
}

/** Who says which image is of which class. Absent in records of versions in which folders alone did: see documents.ts. */
export interface ClassesConfig {
  /** A table of labels; null where folders say the classes. */
  readonly labels?: string | null;
  /** How many folders name a class. */
  readonly classDepth?: number;
}

/** What says the classes, as words of a command line; none where that are the outermost folders. */
export function classFlags({ labels = null, classDepth = 1 }: ClassesConfig): string[] {
  return [
    ...(labels === null ? [] : ['--labels', labels]),
    ...(classDepth === 1 ? [] : ['--class-depth', String(classDepth)]),
  ];
}

/** One training run, resolved: every number that was used, as config.json holds it. */
export interface RunConfig extends RunSettings, ClassesConfig, NetworkConfig, LossConfig {
  /** Pixels a side of the network's input. */
  readonly imageSize: number;
  /** Augmented views kept of each image, or null where every epoch draws afresh. */
  readonly views: number | null;
  /** The backbone's rate, under 1cycle its maximum; the head's own with --trainable head. */
  readonly lr: number;
  /** Epochs between two cuts, or null where decayAt says when. */
  readonly decayEvery: number | null;
  readonly earlyStop: number | null;
  /** The range test that `lr` was taken from, by its folder; absent where the rate was stated or is the built-in one. */
  readonly lrFrom?: string;
  /** Absent in records of versions that did not tell. */
  readonly lrSource?: RateSource;
  /** `lr` is this times the arm's own rate, whose neighbour it is; absent where it is that rate itself. */
  readonly lrFactor?: number;
  /** The arm's name in a comparison; the policy elsewhere. */
  readonly arm: string;
  /** Equal for the runs of a comparison that are held against each other; absent where that is the seed. */
  readonly pair?: number;
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
  resolved: Pick<RunConfig, 'imageSize' | 'lr' | 'lrFrom' | 'lrSource' | 'lrFactor' | 'arm'> & {
    readonly frozen: boolean;
    readonly network?: NetworkConfig;
  },
): Readonly<RunConfig> {
  const { frozen, network = {}, ...rest } = resolved;
  return Object.freeze({
    data: settings.data,
    labels: settings.labels ?? null,
    classDepth: settings.classDepth,
    valSplit: settings.valSplit,
    splitSeed: settings.splitSeed,
    followLinks: settings.followLinks,
    weights: settings.weights,
    trainable: settings.trainable,
    headLrMultiplier: settings.headLrMultiplier,
    batchSize: settings.batchSize,
    epochs: settings.epochs,
    weightDecay: settings.weightDecay,
    labelSmoothing: settings.labelSmoothing,
    classWeights: settings.classWeights,
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
    ...network,
    ...rest,
    ...(settings.pair === undefined ? {} : { pair: settings.pair }),
  });
}

/** Views kept of each image where a part is frozen; without augmentation they would all be the same. */
export function effectiveViews({ augment, views }: Pick<Settings, 'augment' | 'views'>): number {
  return augment === 'none' ? 1 : views;
}

/** The settings that make a range test what it is. */
type FinderSettings = Pick<
  Settings,
  | 'data'
  | 'valSplit'
  | 'splitSeed'
  | 'weights'
  | 'trainable'
  | 'headLrMultiplier'
  | 'batchSize'
  | 'accumulate'
  | 'epochs'
  | 'weightDecay'
  | 'labelSmoothing'
  | 'seed'
  | 'seeds'
  | 'augment'
  | 'momentum'
  | 'minLr'
  | 'maxLr'
  | 'sweep'
  | 'loss'
  | 'smoothing'
  | 'stopAt'
  | 'trim'
>;

/** Range tests, resolved: every number that was used, as their config.json holds it. */
export interface FinderConfig extends FinderSettings, ClassesConfig, NetworkConfig, LossConfig {
  /** Tells these folders from those of training runs. */
  readonly command: 'find-lr';
  /** Pixels a side of the network's input. */
  readonly imageSize: number;
  /** Mini-batches of each seed's sweep. */
  readonly steps: number;
  /** Mini-batches of the training that the rate is for: `epochs` of batches as large as the sweep's. */
  readonly trainingSteps: number;
  /** Augmented views kept of each image, or null where every epoch draws afresh. */
  readonly views: number | null;
}

const STEPS_OF_ONE_SEED = 100;
const STEPS_OF_SEVERAL = 60;

/**
 * Fixes the numbers of the range tests on data whose size is known.
 * @param known `trainImages`: what an accumulated batch must not exceed; `frozen`: whether views are kept
 * @throws UsageError where options contradict each other or the data
 */
export function resolveFinder(
  settings: Settings,
  known: {
    readonly imageSize: number;
    readonly frozen: boolean;
    readonly trainImages: number;
    readonly network?: NetworkConfig;
  },
): FinderConfig {
  checkSweep(settings);
  const { batchSize, accumulate } = settings;
  if (batchSize * accumulate > known.trainImages) {
    throw new UsageError(
      `Expected at most ${known.trainImages} images, all that there are to train on, in a step of --batch-size ${batchSize} times --accumulate ${accumulate} but received ${batchSize * accumulate}. Lower one of them.`,
    );
  }
  return Object.freeze({
    command: 'find-lr',
    data: settings.data,
    labels: settings.labels ?? null,
    classDepth: settings.classDepth,
    valSplit: settings.valSplit,
    splitSeed: settings.splitSeed,
    weights: settings.weights,
    imageSize: known.imageSize,
    trainable: settings.trainable,
    headLrMultiplier: settings.headLrMultiplier,
    batchSize,
    accumulate,
    epochs: settings.epochs,
    weightDecay: settings.weightDecay,
    labelSmoothing: settings.labelSmoothing,
    classWeights: settings.classWeights,
    seed: settings.seed,
    seeds: settings.seeds,
    augment: settings.augment,
    views: known.frozen ? effectiveViews(settings) : null,
    momentum: settings.momentum,
    minLr: settings.minLr,
    maxLr: settings.maxLr,
    steps: settings.steps ?? (settings.seeds === 1 ? STEPS_OF_ONE_SEED : STEPS_OF_SEVERAL),
    trainingSteps: settings.epochs * Math.ceil(known.trainImages / (batchSize * accumulate)),
    sweep: settings.sweep,
    loss: settings.loss,
    smoothing: settings.smoothing,
    stopAt: settings.stopAt,
    trim: settings.trim,
    ...known.network,
  });
}

/**
 * Throws UsageError where the last of `seeds` seeds from `seed` on, each raised by `shift`, is too large to be told from its
 * neighbours.
 */
export function requireSeeds({ seed, seeds }: Pick<Settings, 'seed' | 'seeds'>, shift = 0): void {
  // In this order no sum is rounded down to the limit.
  if (seed <= LARGEST_SEED - shift - (seeds - 1)) return;
  const raised = shift === 0 ? '' : `, raised by ${shift},`;
  throw new UsageError(
    `Expected seeds from 0 to ${LARGEST_SEED} but the last of --seeds ${seeds} from --seed ${seed}${raised} is larger. Lower --seed.`,
  );
}

/**
 * What can be said before any data is read. Throws UsageError for seeds that are too large, a range or a trim that leaves nothing,
 * and batches that batch norm would not see as what they are.
 */
export function checkSweep(
  settings: Pick<
    Settings,
    'minLr' | 'maxLr' | 'trim' | 'seed' | 'seeds' | 'batchSize' | 'accumulate' | 'batchNorm'
  >,
): void {
  const { minLr, maxLr, trim, batchSize, accumulate, batchNorm } = settings;
  requireSeeds(settings);
  if (accumulate > 1 && batchNorm === 'train') {
    throw new UsageError(
      `--accumulate ${accumulate} makes one step of ${accumulate} batches, which with --batch-norm train are not one large batch: each would have ` +
        `statistics of its own. Leave it out; --batch-size ${batchSize * accumulate} has as many images a step.`,
    );
  }
  if (minLr >= maxLr) {
    throw new UsageError(
      `Expected --min-lr below --max-lr but received --min-lr ${minLr} and --max-lr ${maxLr}.`,
    );
  }
  const [share, points] = trim;
  if (share >= 1 || !Number.isInteger(points)) {
    throw new UsageError(
      `Expected a share below 1 and a whole number of points for --trim, as in 0.1,5, but received ${share},${points}.`,
    );
  }
}

/** How a run and its folder are called: the arm, the seed, and its rate where that is a neighbour of the arm's own. */
export function runName({ arm, seed, lrFactor }: RunConfig): string {
  // A leading dot would hide the folder: the arm of ./mine.json is mine.json.
  const plain = arm.replace(/[^\w@.-]+/g, '-').replace(/^[.-]+/, '');
  const rate = lrFactor === undefined ? '' : `-lr-x${lrFactor}`;
  return `${plain === '' ? 'run' : plain}-seed${seed}${rate}`;
}
