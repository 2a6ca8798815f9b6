/** The commands whose options stand here; the first three share most of them. */
export type CommandName = 'find-lr' | 'train' | 'compare' | 'predict' | 'export' | 'data check';

/** What a value must look like, in numbers; check-settings.ts says how each kind is read, checked and named. */
type OptionType =
  | { readonly type: 'flag' }
  | { readonly type: 'text' }
  /** A file or folder; relative to the working directory, `~/` is the home folder. */
  | { readonly type: 'path' }
  | { readonly type: 'integer'; readonly min: number; readonly max?: number }
  | {
      readonly type: 'number';
      readonly above?: number;
      readonly min?: number;
      readonly max?: number;
      readonly below?: number;
    }
  | { readonly type: 'choice'; readonly choices: readonly string[] }
  | { readonly type: 'texts' }
  /** Two numbers of at least `min`, below `below`; with `falling` the second is at most the first. */
  | { readonly type: 'pair'; readonly min: number; readonly below?: number; readonly falling?: true }
  /** Shares of the budget in (0, 1), as 1/3 or 0.33. */
  | { readonly type: 'shares' }
  /** A rate, `auto`, `from:RUN`, or one of these per arm. */
  | { readonly type: 'rate' }
  | { readonly type: 'trainable' };

export type OptionSpec = OptionType & {
  /** How --help names the value; flags have none. */
  readonly argument?: string;
  readonly commands: readonly CommandName[];
  readonly description: string;
};

const ALL = ['find-lr', 'train', 'compare'] as const;
const RUNS = ['train', 'compare'] as const;
const FINDER = ['find-lr'] as const;
const TRAIN = ['train'] as const;
const COMPARE = ['compare'] as const;
const PREDICT = ['predict'] as const;
const EXPORT = ['export'] as const;
const CHECK = ['data check'] as const;
const READING = [...ALL, ...CHECK] as const;
const COMPUTING = [...READING, ...PREDICT] as const;
const EVERY = [...COMPUTING, ...EXPORT] as const;

/** The largest seed: above 2^53 - 1 neighbouring whole numbers are one number to JavaScript, and their runs would be one run. */
export const LARGEST_SEED = Number.MAX_SAFE_INTEGER;

/**
 * Every option of these commands. Keys are the config file's; the flags are the same words in
 * kebab case. Defaults stand in configs/default.json alone.
 */
export const OPTION_GROUPS = {
  Data: {
    data: {
      type: 'path',
      argument: 'DIR',
      commands: READING,
      description:
        'an image folder: DIR/train/<class>/*, DIR/val/<class>/*, or DIR/<class>/*; or a name: onecycle data list',
    },
    labels: {
      type: 'path',
      argument: 'FILE',
      commands: READING,
      description:
        'a CSV file that says the class of each image: file,label or file,label,split; without --data the images lie beside it',
    },
    classDepth: {
      type: 'integer',
      min: 1,
      max: 20,
      argument: 'N',
      commands: READING,
      description: 'how many folders name a class: 2 where animals/cats is one',
    },
    valSplit: {
      type: 'number',
      above: 0,
      below: 1,
      argument: 'F',
      commands: READING,
      description:
        'share of each class held out where DIR has no validation part; at least one image of each class',
    },
    splitSeed: {
      type: 'integer',
      min: 0,
      max: LARGEST_SEED,
      argument: 'N',
      commands: READING,
      description: 'of the split into training and validation images, whatever --seed is',
    },
    augment: {
      type: 'choice',
      choices: ['none', 'flip', 'crop-flip'],
      argument: 'HOW',
      commands: ALL,
      description: 'training images: none, flip, crop-flip',
    },
    strict: {
      type: 'flag',
      commands: READING,
      description:
        'an unreadable image is an error, not a skip; data check: exit code 1 where something makes results wrong',
    },
    followLinks: {
      type: 'flag',
      commands: COMPUTING,
      description: 'follow links that lead out of the data folder',
    },
  },
  Model: {
    weights: {
      type: 'path',
      argument: 'W',
      commands: READING,
      description:
        'a MobileNet V1 or V2: a name, a model.json or its folder, a .h5 or .keras file; none: a V2 from random weights, by --seed',
    },
    alpha: {
      type: 'number',
      above: 0,
      max: 2,
      argument: 'X',
      commands: ALL,
      description: 'with --weights none: width multiplier of the network',
    },
    stemStride: {
      type: 'integer',
      min: 1,
      max: 2,
      argument: 'N',
      commands: ALL,
      description: 'of the first convolution; 1 keeps more of small images [as the weights have it: 2]',
    },
    imageSize: {
      type: 'integer',
      min: 32,
      max: 2048,
      argument: 'N',
      commands: READING,
      description: 'pixels a side, divisible by 32 [96 for images up to 64 pixels, else as trained]',
    },
    trainable: {
      type: 'trainable',
      argument: 'PART',
      commands: ALL,
      description: 'all, head, or last:N blocks from the end (a V2 has 17, a V1 13)',
    },
    batchNorm: {
      type: 'choice',
      choices: ['fold', 'train'],
      argument: 'HOW',
      commands: ALL,
      description:
        'of the trained part: fold into its convolutions, or train by the statistics of each mini-batch',
    },
    bnMomentum: {
      type: 'number',
      min: 0,
      max: 1,
      argument: 'X',
      commands: ALL,
      description:
        "train: share of the running statistics that a step keeps [0.9, for short trainings; Keras's networks have 0.999]",
    },
    headLrMultiplier: {
      type: 'number',
      above: 0,
      argument: 'X',
      commands: ALL,
      description: "the head's rate over the backbone's",
    },
  },
  Training: {
    epochs: {
      type: 'integer',
      min: 1,
      max: 10_000,
      argument: 'N',
      commands: ALL,
      description: 'passes over the training images',
    },
    batchSize: { type: 'integer', min: 1, argument: 'N', commands: ALL, description: 'images a step' },
    weightDecay: {
      type: 'number',
      min: 0,
      argument: 'X',
      commands: ALL,
      description: 'L2 penalty, not on biases and batch norm',
    },
    labelSmoothing: {
      type: 'number',
      min: 0,
      below: 1,
      argument: 'X',
      commands: ALL,
      description: 'share of the target spread over all classes',
    },
    classWeights: {
      type: 'choice',
      choices: ['none', 'balanced'],
      argument: 'HOW',
      commands: ALL,
      description: 'of the loss: none, or balanced, so that rare classes count as much as frequent ones',
    },
    seed: {
      type: 'integer',
      min: 0,
      max: LARGEST_SEED,
      argument: 'N',
      commands: ALL,
      description: 'of initial head, order and augmentation; the first of --seeds',
    },
    arm: {
      type: 'text',
      argument: 'NAME',
      commands: TRAIN,
      description: 'the name under which compare knows the run [the policy]',
    },
    pair: {
      type: 'integer',
      min: 0,
      max: LARGEST_SEED,
      argument: 'N',
      commands: TRAIN,
      description: "which of the other arms' runs compare pairs the run with [--seed]",
    },
    views: {
      type: 'integer',
      min: 1,
      max: 1000,
      argument: 'K',
      commands: ALL,
      description: 'augmented views kept of each image where a part is frozen',
    },
    resume: { type: 'path', argument: 'RUN', commands: TRAIN, description: 'go on with an interrupted run' },
    again: {
      type: 'flag',
      commands: ['find-lr', 'train'],
      description: 'compute anew what --out holds already, into a folder of its own',
    },
    extendTo: {
      type: 'integer',
      min: 1,
      max: 10_000,
      argument: 'EPOCHS',
      commands: TRAIN,
      description: 'with --resume: re-plan the schedule over more epochs',
    },
  },
  'Range test': {
    minLr: {
      type: 'number',
      above: 0,
      argument: 'X',
      commands: FINDER,
      description: 'where the sweep starts',
    },
    maxLr: {
      type: 'number',
      above: 0,
      argument: 'X',
      commands: FINDER,
      description: 'where it ends, unless it diverges before',
    },
    steps: {
      type: 'integer',
      min: 2,
      max: 100_000,
      argument: 'N',
      commands: FINDER,
      description: 'mini-batches a seed [100 with one seed, else 60]',
    },
    sweep: {
      type: 'choice',
      choices: ['exponential', 'linear'],
      argument: 'HOW',
      commands: FINDER,
      description: 'exponential or linear',
    },
    loss: {
      type: 'choice',
      choices: ['train', 'valid'],
      argument: 'WHICH',
      commands: FINDER,
      description: 'train, or valid on a fixed subset',
    },
    smoothing: {
      type: 'number',
      min: 0,
      below: 1,
      argument: 'X',
      commands: FINDER,
      description: 'of the exponential moving average',
    },
    stopAt: {
      type: 'number',
      above: 1,
      argument: 'X',
      commands: FINDER,
      description: 'times the best smoothed loss',
    },
    trim: {
      type: 'pair',
      min: 0,
      argument: 'SHARE,N',
      commands: FINDER,
      description: 'share of points dropped at the start, number at the end',
    },
    accumulate: {
      type: 'integer',
      min: 1,
      argument: 'N',
      commands: FINDER,
      description: 'batches a step; not with --batch-norm train',
    },
  },
  Schedule: {
    policy: {
      type: 'choice',
      choices: ['fixed', '1cycle'],
      argument: 'P',
      commands: TRAIN,
      description: 'fixed or 1cycle',
    },
    lr: {
      type: 'rate',
      argument: 'X',
      commands: RUNS,
      description: 'a rate (1cycle: the maximum), auto, from:RUN, or per arm: fixed=X,1cycle=Y',
    },
    lrFactor: {
      type: 'number',
      above: 0,
      argument: 'X',
      commands: TRAIN,
      description: "trains at X times --lr, as a neighbour of the arm's own rate: see compare --rates",
    },
    momentum: {
      type: 'number',
      min: 0,
      below: 1,
      argument: 'X',
      commands: ALL,
      description: 'of the fixed policy and of the range test',
    },
    decay: {
      type: 'choice',
      choices: ['step', 'none', 'exponential', 'cosine', 'plateau'],
      argument: 'HOW',
      commands: RUNS,
      description: 'fixed: step, none, exponential, cosine, plateau',
    },
    decayAt: { type: 'shares', argument: 'F,F', commands: RUNS, description: 'step: shares of the budget' },
    decayEvery: {
      type: 'integer',
      min: 1,
      argument: 'EPOCHS',
      commands: RUNS,
      description: 'step: every so many epochs, instead of --decay-at',
    },
    decayFactor: {
      type: 'number',
      above: 0,
      max: 1,
      argument: 'X',
      commands: RUNS,
      description: 'step, exponential, plateau: what the rate is multiplied by',
    },
    patience: {
      type: 'integer',
      min: 0,
      argument: 'N',
      commands: RUNS,
      description: 'plateau: epochs without a better loss that pass; the next one lowers the rate',
    },
    momentumRange: {
      type: 'pair',
      min: 0,
      below: 1,
      falling: true,
      argument: 'MAX,MIN',
      commands: RUNS,
      description: '1cycle: momentum at the lowest and at the highest rate',
    },
    pctStart: {
      type: 'number',
      above: 0,
      below: 1,
      argument: 'F',
      commands: RUNS,
      description: '1cycle: share of the steps that warm up',
    },
    divFactor: {
      type: 'number',
      min: 1,
      argument: 'X',
      commands: RUNS,
      description: '1cycle: maximum over initial rate',
    },
    finalDivFactor: {
      type: 'number',
      above: 0,
      argument: 'X',
      commands: RUNS,
      description: '1cycle: initial over final rate',
    },
    anneal: {
      type: 'choice',
      choices: ['cos', 'linear'],
      argument: 'HOW',
      commands: RUNS,
      description: '1cycle: cos or linear',
    },
    threePhase: { type: 'flag', commands: RUNS, description: '1cycle: up, down, then annihilate' },
    earlyStop: {
      type: 'integer',
      min: 1,
      argument: 'N',
      commands: RUNS,
      description: 'stop after N epochs without a better validation loss; 1cycle: not before the anneal',
    },
    onStop: {
      type: 'choice',
      choices: ['wait', 'anneal'],
      argument: 'HOW',
      commands: RUNS,
      description: '1cycle: wait for the anneal, or anneal at once',
    },
  },
  Statistics: {
    policies: {
      type: 'texts',
      argument: 'P,P',
      commands: COMPARE,
      description:
        'arms: fixed, fixed:cosine, 1cycle:linear, 1cycle:no-momentum, 1cycle:bn-train, 1cycle@100 (other seeds), a config file; the first is the baseline (see onecycle help statistics)',
    },
    seeds: {
      type: 'integer',
      min: 1,
      max: 1000,
      argument: 'N',
      commands: ['find-lr', 'compare'],
      description: 'repetitions',
    },
    rates: {
      type: 'integer',
      min: 1,
      max: 8,
      argument: 'K',
      commands: COMPARE,
      description:
        'trains each arm also at K neighbours of its rate (half, double, a quarter and so on) and compares each at the one that the other seeds choose',
    },
    target: {
      type: 'number',
      above: 0,
      max: 1,
      argument: 'ACC',
      commands: COMPARE,
      description: "accuracy to reach, by --metric [the first arm's mean after the last epoch]",
    },
    metric: {
      type: 'choice',
      choices: ['accuracy', 'balanced-accuracy'],
      argument: 'WHAT',
      commands: COMPARE,
      description: 'what is compared: accuracy, or balanced-accuracy, in which all classes count alike',
    },
  },
  Machine: {
    backend: {
      type: 'choice',
      choices: ['auto', 'tensorflow', 'webgpu', 'wasm', 'cpu'],
      argument: 'B',
      commands: COMPUTING,
      description: 'auto, tensorflow, webgpu, wasm, cpu',
    },
    workers: {
      type: 'integer',
      min: 1,
      max: 1024,
      argument: 'N',
      commands: COMPUTING,
      description: "threads that share a run's batches on wasm; never changes a result [cores / jobs]",
    },
    jobs: {
      type: 'integer',
      min: 1,
      max: 1024,
      argument: 'N',
      commands: COMPARE,
      description: 'runs side by side [cores on wasm, 1 on a GPU]',
    },
  },
  Classifying: {
    final: {
      type: 'flag',
      commands: [...PREDICT, ...EXPORT],
      description: 'the weights of the last checkpoint instead of the best epoch',
    },
    top: {
      type: 'integer',
      min: 1,
      max: 100_000,
      argument: 'K',
      commands: PREDICT,
      description: 'the K most probable classes of each image [1]',
    },
  },
  'Files and output': {
    config: {
      type: 'path',
      argument: 'FILE',
      commands: ALL,
      description:
        'JSON with the same keys in camelCase, also that of a recorded run; flags win over it; paths in it count from the working directory',
    },
    out: { type: 'path', argument: 'DIR', commands: ALL, description: 'where run folders go' },
    report: {
      type: 'path',
      argument: 'DIR',
      commands: READING,
      description: 'also write DIR/report.html, one file, and its charts beside it as SVG and PNG',
    },
    run: {
      type: 'texts',
      argument: 'RUN,RUN',
      commands: CHECK,
      description: 'runs on these images: also lists those that they take for another class',
    },
    csv: {
      type: 'path',
      argument: 'FILE',
      commands: PREDICT,
      description: 'also write the predictions as a table, one line a class',
    },
    to: {
      type: 'path',
      argument: 'DIR',
      commands: EXPORT,
      description: 'a new or empty folder for the files',
    },
    format: {
      type: 'choice',
      choices: ['tfjs', 'onnx', 'keras', 'savedmodel'],
      argument: 'F',
      commands: EXPORT,
      description: 'tfjs, with a page for the browser, or onnx [tfjs]',
    },
    tensorboard: {
      type: 'flag',
      commands: RUNS,
      description: "also write each run's curves to its folder as TensorBoard reads them",
    },
    json: {
      type: 'flag',
      commands: EVERY,
      description: 'one JSON document on stdout; predict: one line an image',
    },
    quiet: {
      type: 'flag',
      commands: EVERY,
      description: 'no progress, no notes, no closing lines: only warnings and errors on stderr',
    },
    color: { type: 'flag', commands: EVERY, description: 'colours' },
    debug: { type: 'flag', commands: EVERY, description: 'stack traces and backend logs' },
    printConfig: {
      type: 'flag',
      commands: ALL,
      description: 'show every setting and where its value comes from, and do nothing',
    },
    dryRun: {
      type: 'flag',
      commands: ALL,
      description:
        'show schedule, steps, rates, memory and time, and train nothing; --lr auto still runs its range test, and keeps it in --out',
    },
    plan: {
      type: 'flag',
      commands: COMPARE,
      description:
        'print one train command per arm and seed, the power and the time, and train none of them; a range test that they need is run, and kept in --out',
    },
  },
} as const satisfies Record<string, Record<string, OptionSpec>>;

/** Every option of these commands by its name. */
export const OPTIONS = {
  ...OPTION_GROUPS.Data,
  ...OPTION_GROUPS.Model,
  ...OPTION_GROUPS.Training,
  ...OPTION_GROUPS['Range test'],
  ...OPTION_GROUPS.Schedule,
  ...OPTION_GROUPS.Statistics,
  ...OPTION_GROUPS.Machine,
  ...OPTION_GROUPS.Classifying,
  ...OPTION_GROUPS['Files and output'],
};

export type OptionName = keyof typeof OPTIONS;

/** The flag of an option: `batchSize` is `--batch-size`. */
export function flagName(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** An option with its value as words of a command line; none for a flag that is off. */
export function flagWords(name: string, value: NonNullable<unknown>): string[] {
  if (typeof value === 'boolean') return value ? [flagName(name)] : [];
  if (Array.isArray(value)) return [flagName(name), value.join(',')];
  if (typeof value !== 'object') return [flagName(name), String(value)];
  const parts = Object.entries(value).map(([key, entry]) => `${key}=${String(entry)}`);
  return [flagName(name), parts.join(',')];
}

/** A command as a POSIX shell reads it. */
export function shellLine(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}

/** The known name that a misspelt one most likely meant, or undefined where none is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((word) => ({ word, away: distance(name.toLowerCase(), word.toLowerCase()) }))
    .sort((a, b) => a.away - b.away);
  return best !== undefined && best.away <= Math.max(2, name.length / 4) ? best.word : undefined;
}

/** Letters to insert, delete or replace (Levenshtein 1966). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? Infinity;
}
