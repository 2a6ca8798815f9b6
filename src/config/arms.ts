import { UsageError } from '../errors.js';
import { NO_CLAIM } from '../stats/verdict.js';
import { type GivenSettings, type RateSetting, readConfigFile } from './check-settings.js';

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
      const base = twin.name.replace(/@\d+$/, '');
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
  const [, base = name, shift] = /^(.*?)(?:@(\d+))?$/.exec(name) ?? [];
  const seedShift = shift === undefined ? 0 : Number(shift);
  if (base.endsWith('.json')) return { name, overrides: await readConfigFile(base), seedShift };
  const variant = Object.hasOwn(VARIANTS, base) ? VARIANTS[base] : undefined;
  if (variant === undefined) {
    throw new UsageError(
      `Unknown policy "${base}" in --policies. Expected ${Object.keys(VARIANTS).join(', ')} or a config file ending in .json.`,
    );
  }
  return { name, overrides: variant(momentum), seedShift };
}

/**
 * Throws UsageError where an arm is called `none`, which is how a comparison says that neither is better, and where
 * `--lr` gives a rate to an arm that there is not.
 * @param arms names of the arms that are trained or compared; --lr may name policies as well
 */
export function requireKnownArms(lr: RateSetting | undefined, arms: readonly string[]): void {
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
