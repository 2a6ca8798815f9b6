import { UsageError } from '../errors.js';
import { NO_CLAIM } from '../stats/verdict.js';
import { type GivenSettings, type RateSetting, readConfigFile } from './check-settings.js';
import { LARGEST_SEED, type OptionName } from './options.js';

/** One side of a comparison: what it changes in the common settings. */
export interface Arm {
  /** As the user wrote it; names the arm in every output. */
  readonly name: string;
  readonly overrides: GivenSettings;
  /** Added to every seed, for A/A tests. */
  readonly seedShift: number;
}

const VARIANTS: Readonly<Record<string, (momentum: number) => GivenSettings>> = {
  fixed: () => ({ policy: 'fixed' }),
  'fixed:step': () => ({ policy: 'fixed', decay: 'step' }),
  'fixed:none': () => ({ policy: 'fixed', decay: 'none' }),
  'fixed:exponential': () => ({ policy: 'fixed', decay: 'exponential' }),
  'fixed:cosine': () => ({ policy: 'fixed', decay: 'cosine' }),
  'fixed:plateau': () => ({ policy: 'fixed', decay: 'plateau' }),
  '1cycle': () => ({ policy: '1cycle' }),
  '1cycle:cos': () => ({ policy: '1cycle', anneal: 'cos' }),
  '1cycle:linear': () => ({ policy: '1cycle', anneal: 'linear' }),
  '1cycle:three-phase': () => ({ policy: '1cycle', threePhase: true }),
  '1cycle:no-momentum': (momentum) => ({ policy: '1cycle', momentumRange: [momentum, momentum] }),
};

/** What a variant's name may end with: how its arm has batch norm. */
const BATCH_NORM = /:bn-(fold|train)$/;

/** What a built-in variant changes in the common settings; undefined where there is none of that name. */
function variantOf(name: string, momentum: number): GivenSettings | undefined {
  const [ending = '', batchNorm] = BATCH_NORM.exec(name) ?? [];
  const base = name.slice(0, name.length - ending.length);
  const variant = Object.hasOwn(VARIANTS, base) ? VARIANTS[base] : undefined;
  if (variant === undefined) return undefined;
  const own = variant(momentum);
  return batchNorm === 'fold' || batchNorm === 'train' ? { ...own, batchNorm } : own;
}

/**
 * Reads `--policies`: names of the built-in variants or config files, each with an optional `@shift`.
 * @param momentum what `no-momentum` keeps constant
 * @throws UsageError for an unknown policy and for an arm given twice
 */
export async function readArms(policies: readonly string[], momentum: number): Promise<Arm[]> {
  const arms = await Promise.all(policies.map((text) => readArm(text.trim(), momentum)));
  for (const [i, arm] of arms.entries()) {
    const twin = arms.slice(0, i).find((other) => isSame(other, arm));
    if (twin !== undefined) {
      const { base } = parsePolicy(twin.name);
      throw new UsageError(
        `--policies: ${twin.name} and ${arm.name} would train the same runs. Remove one, or shift its seeds to ` +
          `compare a policy with itself: ${base},${base}@100.`,
      );
    }
  }
  return arms;
}

/** Whether two arms would train the same runs: `1cycle@0` is `1cycle`. */
function isSame(a: Arm, b: Arm): boolean {
  const runs = ({ overrides, seedShift }: Arm) => JSON.stringify([overrides, seedShift]);
  return runs(a) === runs(b);
}

async function readArm(name: string, momentum: number): Promise<Arm> {
  const { base, seedShift } = parsePolicy(name);
  if (seedShift > LARGEST_SEED) {
    throw new UsageError(
      `Expected a shift of the seeds from 0 to ${LARGEST_SEED} in --policies but received "${name}".`,
    );
  }
  if (isFile(base)) return { name, overrides: await readArmFile(base), seedShift };
  const overrides = variantOf(base, momentum);
  if (overrides === undefined) {
    throw new UsageError(
      `Unknown policy "${base}" in --policies. Expected ${Object.keys(VARIANTS).join(', ')} or a config file ending in .json; ` +
        'each but a file also with :bn-train or :bn-fold behind it, for its own --batch-norm.',
    );
  }
  return { name, overrides, seedShift };
}

function isFile(base: string): boolean {
  return /\.jsonc?$/.test(base);
}

/** An entry of --policies, `NAME` or `NAME@SHIFT`, in its two parts. */
function parsePolicy(text: string): { readonly base: string; readonly seedShift: number } {
  const [, base = text, shift = '0'] = /^(.*?)(?:@(\d+))?$/.exec(text) ?? [];
  return { base, seedShift: Number(shift) };
}

/** By how much --policies would shift the seeds of an arm of this name; 0 for names that it does not accept. */
export function shiftByPolicies(name: string): number {
  const { base, seedShift } = parsePolicy(name);
  return isFile(base) || variantOf(base, 0) !== undefined ? seedShift : 0;
}

/**
 * What an arm may set of its own. Seeds, the images that are held out, threads and places belong to the whole
 * comparison: arms that differed in these would not be comparable, or the setting would have no effect.
 */
const ARM_SETTINGS: readonly string[] = (
  [
    [
      'data',
      'labels',
      'classDepth',
      'followLinks',
      'weights',
      'alpha',
      'stemStride',
      'imageSize',
      'trainable',
      'batchNorm',
      'bnMomentum',
    ],
    ['headLrMultiplier', 'augment', 'views'],
    ['batchSize', 'epochs', 'weightDecay', 'labelSmoothing', 'classWeights', 'earlyStop', 'onStop'],
    ['policy', 'lr', 'momentum', 'decay', 'decayAt', 'decayEvery', 'decayFactor', 'patience'],
    ['momentumRange', 'pctStart', 'divFactor', 'finalDivFactor', 'anneal', 'threePhase'],
  ] satisfies OptionName[][]
).flat();

/** Reads an arm's config file. Throws UsageError naming the file and the keys that no arm may set. */
async function readArmFile(path: string): Promise<GivenSettings> {
  const overrides = await readConfigFile(path);
  const others = Object.keys(overrides).filter((key) => !ARM_SETTINGS.includes(key));
  if (others.length === 0) return overrides;
  const [them, hold] = others.length === 1 ? ['it', 'it holds'] : ['them', 'they hold'];
  throw new UsageError(
    `${path} sets ${others.map((key) => `"${key}"`).join(', ')}, which an arm may not: ${hold} for the whole comparison, or for no training run. ` +
      `Remove ${them} there, and give compare itself what all arms are to share.`,
  );
}

/** A run's folder, with its seed, is named after the arm: file systems take 255 bytes. */
const LONGEST_NAME = 200;

/** What keeps a text from being an arm's name, in words; undefined where nothing does. */
export function armFault(name: string): string | undefined {
  if (name.length > LONGEST_NAME)
    return `it has ${name.length} characters, of which ${LONGEST_NAME} are allowed`;
  if (/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)) return 'it holds control characters';
  return name === '__proto__' ? 'it has a meaning of its own in JavaScript' : undefined;
}

/**
 * Throws UsageError for a name that no arm can have, where an arm is called `none`, which is how a comparison says that neither is better, and where
 * `--lr` gives a rate to an arm that there is not.
 * @param arms names of the arms that are trained or compared; --lr may name policies as well
 */
export function requireKnownArms(lr: RateSetting | undefined, arms: readonly string[]): void {
  for (const name of arms) {
    const fault = armFault(name);
    if (fault === undefined) continue;
    throw new UsageError(`No arm can be called "${name.slice(0, 40)}": ${fault}. Give it another name.`);
  }
  if (arms.includes(NO_CLAIM)) {
    throw new UsageError(
      `No arm may be called "${NO_CLAIM}": compare says so where neither is better. Train it under another name with --arm.`,
    );
  }
  if (typeof lr !== 'object') return;
  const known = [...new Set([...arms, 'fixed', '1cycle'])];
  const unknown = Object.keys(lr).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new UsageError(
    `--lr gives a rate to "${unknown}", which is no arm. Expected ${known.join(', ')}, as in fixed=1e-3,1cycle=5e-3.`,
  );
}
