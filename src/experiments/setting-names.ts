/** Settings in which arms may differ because they are the policy. */
export const POLICY_SETTINGS: Readonly<Record<string, string>> = {
  policy: 'policy',
  lr: 'learning rate',
  momentum: 'momentum of the fixed policy',
  momentumRange: 'momentum range',
  decay: 'decay',
  decayAt: 'places of the decay',
  decayEvery: 'epochs between two decays',
  decayFactor: 'decay factor',
  patience: 'patience of the plateau decay',
  pctStart: 'share of the warm-up',
  divFactor: 'maximum over initial rate',
  finalDivFactor: 'initial over final rate',
  anneal: 'annealing',
  threePhase: 'third phase',
  onStop: 'what early stopping waits for',
};

/** Settings that differ from run to run in every comparison, or say only where things lie or how files were chosen. */
const PER_RUN_SETTINGS = new Set(['arm', 'seed', 'data', 'weights', 'valSplit', 'splitSeed', 'followLinks']);

const PLAIN_NAMES: Readonly<Record<string, string>> = {
  ...POLICY_SETTINGS,
  trainable: 'trained part',
  headLrMultiplier: "head's rate over the backbone's",
  batchSize: 'batch size',
  epochs: 'number of epochs',
  weightDecay: 'weight decay',
  labelSmoothing: 'label smoothing',
  augment: 'augmentation',
  views: 'views kept of each image',
  imageSize: 'image size in pixels',
  earlyStop: 'patience of early stopping',
  replans: 'extension of the schedule',
  backend: 'backend',
  arithmetic: 'how a product is added to a sum',
  onecycle: 'version of onecycle',
  sliceSize: 'images a gradient is computed on at once',
};

/** A setting in plain words: `batchSize` is «batch size». */
export function plainName(setting: string): string {
  const spelled = setting.replace(/[A-Z]/gu, (letter) => ` ${letter.toLowerCase()}`);
  return Object.hasOwn(PLAIN_NAMES, setting) ? (PLAIN_NAMES[setting] ?? spelled) : spelled;
}

/** Whether runs that are compared should agree in a setting. */
export function shouldAgree(setting: string): boolean {
  return !Object.hasOwn(POLICY_SETTINGS, setting) && !PER_RUN_SETTINGS.has(setting);
}
