import { readFileSync } from 'node:fs';
import type { GivenSettings } from './check-settings.js';
import { type OptionName, OPTIONS } from './options.js';

/** The learning rates that measurement gave, by trained part and policy. */
export type RateTable = Readonly<Record<'head' | 'last' | 'all', Readonly<Record<string, number>>>>;

/** Options that always have a value because configs/default.json gives one. */
type Defaulted = Exclude<
  OptionName,
  | 'config'
  | 'imageSize'
  | 'workers'
  | 'steps'
  | 'arm'
  | 'pair'
  | 'lr'
  | 'decayEvery'
  | 'earlyStop'
  | 'resume'
  | 'extendTo'
  | 'jobs'
  | 'target'
  | 'report'
  | 'top'
  | 'csv'
  | 'to'
  | 'format'
>;

/** Every option with its value; the few without a fixed default may be absent. */
export type Settings = GivenSettings & { readonly [Name in Defaulted]-?: NonNullable<GivenSettings[Name]> };

const FLAGS_OFF = {
  strict: false,
  followLinks: false,
  json: false,
  quiet: false,
  color: true,
  debug: false,
  threePhase: false,
  dryRun: false,
  plan: false,
  final: false,
} as const;

/** The contents of configs/default.json, the one place where default numbers stand. */
export function readDefaults(): { settings: Settings; rates: RateTable } {
  const file = new URL('../../configs/default.json', import.meta.url);
  const { defaultLr, ...keys } = JSON.parse(readFileSync(file, 'utf8'));
  // The other keys describe the experiment to its reader.
  const given = Object.fromEntries(Object.entries(keys).filter(([name]) => Object.hasOwn(OPTIONS, name)));
  return { settings: { ...FLAGS_OFF, ...given } as Settings, rates: defaultLr };
}
