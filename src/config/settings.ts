import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { GivenSettings } from './check-settings.js';
import { type CommandName, OPTION_GROUPS, type OptionName, OPTIONS, type OptionSpec } from './options.js';

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
