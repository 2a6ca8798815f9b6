import { readFileSync } from 'node:fs';
import type { GivenSettings, OptionName } from './options.js';

/** The learning rates that measurement gave, by trained part and policy. */
export type RateTable = Readonly<Record<'head' | 'last' | 'all', Readonly<Record<string, number>>>>;

/** Options that always have a value because configs/default.json gives one. */
type Defaulted = Exclude<
  OptionName,
  | 'config'
  | 'splitSeed'
  | 'imageSize'
  | 'workers'
  | 'steps'
  | 'arm'
  | 'lr'
  | 'decayEvery'
  | 'earlyStop'
  | 'resume'
  | 'extendTo'
  | 'jobs'
  | 'target'
  | 'report'
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
} as const;

/** The contents of configs/default.json, the one place where default numbers stand. */
export function readDefaults(): { settings: Settings; rates: RateTable } {
  const file = new URL('../../configs/default.json', import.meta.url);
  const { defaultLr, description, expected, time, ...given } = JSON.parse(readFileSync(file, 'utf8'));
  void [description, expected, time];
  return { settings: { ...FLAGS_OFF, ...given }, rates: defaultLr };
}
