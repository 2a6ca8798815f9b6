import { formatRates } from '../report/text/numbers.js';
import { WITHOUT_RECORD } from '../runs/documents.js';
import { isJsonObject, type JsonObject, runKey } from '../runs/json.js';
import { DECISIVE, environmentsOf } from '../runs/environments.js';
import { fieldText, type RecordedRun } from './read.js';

/** What times depend on and results do not. */
const MACHINE = ['cpu', 'device', 'cores'];

/** Every way in which the runs differ beyond the policies they compare, one sentence each. */
export function fairnessWarnings(runs: readonly RecordedRun[]): string[] {
  const settings = [...new Set(runs.flatMap(({ record }) => Object.keys(record.config)))];
  return [
    ...settings
      .filter(shouldAgree)
      .map((name) => differing(runs, name, ({ record }) => setting(record.config, name))),
    otherBatchNorm(runs),
    differing(runs.filter(trainsBatchNorm), 'bnMomentum', ({ record }) =>
      setting(record.config, 'bnMomentum'),
    ),
    ...withinArms(runs),
    ...DECISIVE.map((name) => differing(runs, name, (run) => overParts(run, name).join(', then '))),
    ...computedInParts(runs),
    otherWeights(runs),
    otherFiles(runs, 'train', 'trained on the same images. A difference may be the images, not the policy.'),
    otherFiles(runs, 'valid', 'judged on the same validation images, so their accuracies do not compare.'),
    otherBudgets(runs),
    unequalStopping(runs),
    ...momentumWarnings(runs),
    ...events(runs),
    otherMachines(runs),
  ].filter((warning) => warning !== undefined);
}

/** The values of runs, each with the arms (and seeds, where an arm has several values) that have it; undefined where all agree. */
function groups(runs: readonly RecordedRun[], value: (run: RecordedRun) => string): string | undefined {
  const byValue = new Map<string, RecordedRun[]>();
  for (const run of runs) byValue.set(value(run), [...(byValue.get(value(run)) ?? []), run]);
  if (byValue.size < 2) return undefined;
  const whole = (arm: string, members: readonly RecordedRun[]) =>
    runs.filter((run) => run.arm === arm).length === members.filter((run) => run.arm === arm).length;
  return [...byValue]
    .map(([text, members]) => {
      const arms = [...new Set(members.map(({ arm }) => arm))].map((arm) => {
        if (whole(arm, members)) return arm;
        const seeds = members.filter((run) => run.arm === arm).map(({ seed }) => seed);
        return `${arm} with seed ${seeds.join(', ')}`;
      });
      return `${text} (${arms.join('; ')})`;
    })
    .join(', ');
}

function differing(
  runs: readonly RecordedRun[],
  name: string,
  value: (run: RecordedRun) => string,
): string | undefined {
  const found = groups(runs, value);
  return found === undefined ? undefined : `The runs differ in ${plainName(name)}: ${found}.`;
}

/** A run that was never extended has no replans in its configuration, and an older one not what every run did alike then. */
function setting(config: JsonObject, name: string): string {
  return fieldText({ replans: null, ...WITHOUT_RECORD, ...config }, name);
}

function trainsBatchNorm({ record }: RecordedRun): boolean {
  return record.config['batchNorm'] === 'train';
}

/** Batch norm belongs to no policy. Arms of one policy that differ in it are compared in it, which the words about policies hide. */
function otherBatchNorm(runs: readonly RecordedRun[]): string | undefined {
  const found = groups(runs, ({ record }) => setting(record.config, 'batchNorm'));
  if (found === undefined) return undefined;
  const policyOf = ({ record }: RecordedRun) =>
    JSON.stringify(Object.keys(POLICY_SETTINGS).map((name) => name !== 'lr' && setting(record.config, name)));
  return new Set(runs.map(policyOf)).size === 1
    ? `The arms have one policy and differ in batch norm, ${found}: what is compared is batch norm.`
    : `The runs differ in batch norm: ${found}. A difference may be batch norm's, not the policy's.`;
}

/** Arms may differ in their policy's settings, an arm's own runs may not. */
function withinArms(runs: readonly RecordedRun[]): (string | undefined)[] {
  return [...new Set(runs.map(({ arm }) => arm))].flatMap((arm) => {
    const own = runs.filter((run) => run.arm === arm);
    return Object.keys(POLICY_SETTINGS).map((name) => {
      const found = groups(own, ({ record }) => fieldText(atOwnRate(record.config), name));
      return found === undefined
        ? undefined
        : `The runs of ${arm} differ among themselves in ${plainName(name)}: ${found}.`;
    });
  });
}

/** A configuration with the arm's own rate: the neighbour at which a seed is compared is no difference between runs. */
export function atOwnRate(config: JsonObject): JsonObject {
  const { lr, lrFactor = 1 } = config;
  return typeof lr === 'number' && typeof lrFactor === 'number' ? { ...config, lr: lr / lrFactor } : config;
}

function otherWeights(runs: readonly RecordedRun[]): string | undefined {
  const found = groups(runs, ({ record }) => {
    const hash = fieldText(record.dataset, 'weightsSha256').slice(0, 8);
    return `${fieldText(record.config, 'weights')}, SHA-256 ${hash}…`;
  });
  const hashes = new Set(runs.map(({ record }) => record.dataset['weightsSha256']));
  return hashes.size < 2 ? undefined : `The runs did not start from the same weights: ${found}.`;
}

function otherFiles(
  runs: readonly RecordedRun[],
  part: 'train' | 'valid',
  consequence: string,
): string | undefined {
  const filesOf = ({ record: { dataset } }: RecordedRun) => {
    const files = dataset['files'];
    return isJsonObject(files) ? (files[part] ?? null) : null;
  };
  const keys = runs.map((run) => runKey(filesOf(run)));
  if (new Set(keys).size < 2) return undefined;
  const names = new Map([...new Set(keys)].map((key, i) => [key, String.fromCharCode(65 + (i % 26))]));
  const found = groups(runs, (run) => {
    const files = filesOf(run);
    const set = names.get(runKey(files)) ?? '';
    return `set ${set} of ${Array.isArray(files) ? files.length : 'unknown size'}`;
  });
  return `The runs were not ${consequence.replace(/([.,])/u, `: ${found}$1`)}`;
}

/** The same number of epochs is no longer the same budget where early stopping or other data cut it. */
function otherBudgets(runs: readonly RecordedRun[]): string | undefined {
  const found = groups(runs, ({ record }) => `${record.steps.length}`);
  return found === undefined ? undefined : `The runs were trained for different numbers of steps: ${found}.`;
}

/** Momentum belongs to the policy, but a cycle around another level than the fixed one is a second difference. */
function momentumWarnings(runs: readonly RecordedRun[]): string[] {
  const levels = new Map<string, { low: number; high: number }>();
  for (const { arm, record } of runs) {
    const momenta = record.steps.map(({ momentum }) => momentum);
    if (momenta.length > 0) {
      const low = momenta.reduce((least, value) => Math.min(least, value));
      levels.set(arm, { low, high: momenta.reduce((most, value) => Math.max(most, value)) });
    }
  }
  const arms = [...levels];
  const range = ({ low, high }: { low: number; high: number }) => formatRates(low, high);
  return arms.flatMap(([arm, own], i) =>
    arms.slice(i + 1).flatMap(([other, its]) => {
      const apart = own.low > its.high || its.low > own.high;
      return apart
        ? [
            `The arms differ in the level of momentum: ${arm} ${range(own)}, ${other} ${range(its)}. A difference may be the momentum's, not the schedule's.`,
          ]
        : [];
    }),
  );
}

/** All arms share --early-stop, but it never ends a cycle whose --on-stop is wait. */
function unequalStopping(runs: readonly RecordedRun[]): string | undefined {
  const asked = runs.filter(({ record }) => typeof record.config['earlyStop'] === 'number');
  const [never, others] = [true, false].map((spared) => [
    ...new Set(
      asked.filter(({ record: { config } }) => sparesCycle(config) === spared).map(({ arm }) => arm),
    ),
  ]);
  if (never === undefined || others === undefined || never.length === 0 || others.length === 0)
    return undefined;
  return `Early stopping can shorten ${others.join(', ')} and never ${never.join(', ')}, whose --on-stop is wait: the arms have different budgets where it does.`;
}

function sparesCycle({ policy, onStop }: JsonObject): boolean {
  return policy === '1cycle' && onStop === 'wait';
}

/** The values of a field over the parts of a run, each once, oldest first. */
function overParts({ record }: RecordedRun, name: string): string[] {
  return [...new Set(environmentsOf(record).map((part) => fieldText(part, name)))];
}

/** Runs that were resumed with other arithmetic: none of them is a run of one environment. */
function computedInParts(runs: readonly RecordedRun[]): string[] {
  return runs.flatMap((run) => {
    const changed = DECISIVE.map((name) => ({ name, values: overParts(run, name) })).filter(
      ({ values }) => values.length > 1,
    );
    if (changed.length === 0) return [];
    const what = changed.map(({ name, values }) => `${plainName(name)} ${values.join(', then ')}`);
    return [`${run.arm} with seed ${run.seed} was computed in parts that differ: ${what.join('; ')}.`];
  });
}

/** Events that the settings or the history of environments tell already. */
const TOLD_ELSEWHERE: ReadonlySet<string> = new Set(['early-stop', 'backend', 'environment']);

/** What changed a run's course on the way. */
function events(runs: readonly RecordedRun[]): string[] {
  return runs.flatMap(({ record, arm, seed }) =>
    record.events
      .filter(({ type }) => !TOLD_ELSEWHERE.has(type))
      .map(({ text }) => `${arm} with seed ${seed}: ${text}`),
  );
}

function otherMachines(runs: readonly RecordedRun[]): string | undefined {
  const differ = MACHINE.some((name) => new Set(runs.flatMap((run) => overParts(run, name))).size > 1);
  return differ
    ? 'The runs were timed on different machines, so their seconds do not compare. Steps and accuracies do.'
    : undefined;
}

/** Settings in which arms may differ because they are the policy. */
const POLICY_SETTINGS: Readonly<Record<string, string>> = {
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

/** Settings that differ from run to run in every comparison, or are looked at by themselves, or say only where things lie or how files were chosen. */
const PER_RUN_SETTINGS = new Set([
  ...['arm', 'seed', 'pair', 'lrFrom', 'lrSource', 'lrFactor'],
  ...['data', 'weights', 'valSplit', 'splitSeed', 'followLinks', 'labels', 'classDepth'],
  ...['batchNorm', 'bnMomentum'],
]);

const PLAIN_NAMES: Readonly<Record<string, string>> = {
  ...POLICY_SETTINGS,
  trainable: 'trained part',
  headLrMultiplier: "head's rate over the backbone's",
  batchSize: 'batch size',
  epochs: 'number of epochs',
  weightDecay: 'weight decay',
  labelSmoothing: 'label smoothing',
  classWeights: 'class weights',
  augment: 'augmentation',
  views: 'views kept of each image',
  imageSize: 'image size in pixels',
  bnMomentum: 'share of the running statistics of batch norm that a step keeps',
  stemStride: 'stride of the first convolution',
  alpha: 'width multiplier',
  earlyStop: 'patience of early stopping',
  replans: 'extension of the schedule',
  backend: 'backend',
  arithmetic: 'how a product is added to a sum',
  onecycle: 'version of onecycle',
  sliceSize: 'images a gradient is computed on at once',
};

/** A setting in plain words: `batchSize` is «batch size». */
function plainName(setting: string): string {
  const spelled = setting.replace(/[A-Z]/gu, (letter) => ` ${letter.toLowerCase()}`);
  return Object.hasOwn(PLAIN_NAMES, setting) ? (PLAIN_NAMES[setting] ?? spelled) : spelled;
}

/** Whether runs that are compared should agree in a setting. */
function shouldAgree(setting: string): boolean {
  return !Object.hasOwn(POLICY_SETTINGS, setting) && !PER_RUN_SETTINGS.has(setting);
}
