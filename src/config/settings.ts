import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { GivenSettings } from './check-settings.js';
import {
  type CommandName,
  flagName,
  OPTION_GROUPS,
  type OptionName,
  OPTIONS,
  type OptionSpec,
} from './options.js';

/** The learning rates that measurement gave, by trained part and policy. */
export type RateTable = Readonly<Record<'head' | 'last' | 'all', Readonly<Record<string, number>>>>;

/** Options that always have a value because configs/default.json gives one. */
type Defaulted = Exclude<
  OptionName,
  | 'config'
  | 'labels'
  | 'imageSize'
  | 'stemStride'
  | 'bnMomentum'
  | 'workers'
  | 'steps'
  | 'arm'
  | 'pair'
  | 'lr'
  | 'lrFactor'
  | 'rates'
  | 'decayEvery'
  | 'earlyStop'
  | 'resume'
  | 'extendTo'
  | 'jobs'
  | 'target'
  | 'report'
  | 'run'
  | 'top'
  | 'csv'
  | 'to'
  | 'format'
>;

/** Every option with its value; the few without a fixed default may be absent. */
export type Settings = GivenSettings & { readonly [Name in Defaulted]-?: NonNullable<GivenSettings[Name]> };

/** What `weights` says for a network that has learnt nothing yet. */
export const FRESH_WEIGHTS = 'none';

/** Of a network that has learnt nothing, all is trained, batch norm with it, and the head is no newer than the rest. */
const OF_FRESH_WEIGHTS = { trainable: 'all', batchNorm: 'train', headLrMultiplier: 1 } as const;

/** Settings with what was given in their place, and with what that implies unless it says otherwise. */
export function withGiven(settings: Settings, given: GivenSettings): Settings {
  return {
    ...settings,
    ...(given.weights === FRESH_WEIGHTS && OF_FRESH_WEIGHTS),
    ...(given.labels !== undefined && { data: dirname(given.labels) }),
    ...given,
  };
}

/** Whether an option changes what an arm of these settings does, and which arms do use it. */
interface Use {
  readonly isUsed: (settings: Settings) => boolean;
  readonly by: string;
}

const CYCLE: Use = { isUsed: ({ policy }) => policy === '1cycle', by: 'only --policy 1cycle uses it' };
const FIXED: Use = { isUsed: ({ policy }) => policy === 'fixed', by: 'only --policy fixed uses it' };
const decays = (...kinds: Settings['decay'][]): Use => ({
  isUsed: ({ policy, decay }) => policy === 'fixed' && kinds.includes(decay),
  by: `only --policy fixed with --decay ${kinds.join(', ').replace(/, (?=[^,]*$)/u, ' or ')} uses it`,
});

/** Not the momentum: a range test may be made with it, whatever the policy. */
const USES: Readonly<Partial<Record<OptionName, Use>>> = {
  ...{ pctStart: CYCLE, divFactor: CYCLE, finalDivFactor: CYCLE },
  ...{ momentumRange: CYCLE, anneal: CYCLE, threePhase: CYCLE },
  decay: FIXED,
  decayEvery: decays('step'),
  decayAt: {
    isUsed: (settings) => decays('step').isUsed(settings) && settings.decayEvery === undefined,
    by: 'only --policy fixed with --decay step and without --decay-every uses it',
  },
  headLrMultiplier: {
    isUsed: ({ trainable }) => trainable !== 'head',
    by: 'where the head alone is trained, --lr is its own rate',
  },
  ...{ decayFactor: decays('step', 'exponential', 'plateau'), patience: decays('plateau') },
  onStop: {
    isUsed: ({ policy, earlyStop }) => policy === '1cycle' && earlyStop !== undefined,
    by: 'only --policy 1cycle with --early-stop uses it',
  },
  views: {
    isUsed: ({ trainable, augment }) => trainable !== 'all' && augment !== 'none',
    by: 'views are kept only where a part of the network is frozen and images are augmented',
  },
};

/**
 * What is said of flags that change nothing, a sentence each. A file may hold the settings of several commands: of those nothing is said.
 * @param spoken what the flags say
 * @param arms what is trained, each with its settings and with those that it has in place of the flags'
 */
export function flagsWithoutEffect(
  spoken: GivenSettings,
  arms: readonly { readonly settings: Settings; readonly overrides: GivenSettings }[],
): string[] {
  return Object.entries(USES).flatMap(([name, { isUsed, by }]) => {
    const option = name as OptionName;
    if (spoken[option] === undefined || spoken[option] === false) return [];
    const own = arms.filter(({ overrides }) => overrides[option] === undefined);
    if (own.some(({ settings }) => isUsed(settings))) return [];
    const where = own.length === arms.length ? '' : ', where an arm has none of its own';
    return [`${flagName(option)} has no effect here: ${by}${where}.`];
  });
}

const FLAGS_OFF = {
  strict: false,
  followLinks: false,
  json: false,
  quiet: false,
  color: true,
  debug: false,
  threePhase: false,
  dryRun: false,
  again: false,
  plan: false,
  final: false,
  tensorboard: false,
  printConfig: false,
} as const;

/** The contents of configs/default.json, the one place where default numbers stand. */
export function readDefaults(): { settings: Settings; rates: RateTable } {
  const file = new URL('../../configs/default.json', import.meta.url);
  const { defaultLr, ...keys } = JSON.parse(readFileSync(file, 'utf8'));
  // The other keys describe the experiment to its reader.
  const given = Object.fromEntries(Object.entries(keys).filter(([name]) => Object.hasOwn(OPTIONS, name)));
  return { settings: { ...FLAGS_OFF, ...given } as Settings, rates: defaultLr };
}

const EXPERIMENTS: readonly CommandName[] = ['find-lr', 'train', 'compare'];
/** Options that belong to one call of the program rather than to an experiment. */
export const OF_ONE_CALL: readonly string[] = (
  [
    ['config', 'resume', 'extendTo', 'arm', 'pair', 'lrFactor', 'report'],
    ['json', 'quiet', 'color', 'debug', 'dryRun', 'plan', 'printConfig'],
  ] satisfies OptionName[][]
).flat();
/** Columns of an entry: most fit. */
const ENTRY = 38;

/**
 * A file for --config with all that an experiment may set, under the headings of --help: JSON with comments. What has a default
 * has it there; what has none stands in a comment.
 * @param file how the user calls it
 */
export function commentedDefaults(file: string): string {
  const { settings } = readDefaults();
  const entry = ([key, { description, argument }]: [string, OptionSpec]) => {
    const value = settings[key as OptionName];
    const shown = JSON.stringify(value)?.replaceAll(',', ', ') ?? argument;
    const text = `${value === undefined ? '// ' : ''}"${key}": ${shown},`;
    return `  ${text.padEnd(ENTRY)}  // ${description}`;
  };
  const sections = Object.entries(OPTION_GROUPS).flatMap(([group, options]) => {
    const own = Object.entries<OptionSpec>(options).filter(
      ([key, { commands }]) =>
        !OF_ONE_CALL.includes(key) && EXPERIMENTS.some((name) => commands.includes(name)),
    );
    return own.length === 0 ? [] : [`  // ${group.toUpperCase()}`, ...own.map(entry), ''];
  });
  return [
    `// Settings of onecycle: onecycle compare --config ${file}`,
    '// The values are the defaults. A line that begins with // sets nothing; what happens then stands in brackets.',
    '// Flags win over this file, and paths in it count from the working directory.',
    '{',
    ...sections.slice(0, -1),
    '}',
    '',
  ].join('\n');
}
