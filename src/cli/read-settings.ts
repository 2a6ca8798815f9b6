import { readDefaults, type RateTable, type Settings } from '../config/default-settings.js';
import type { GivenSettings } from '../config/options.js';
import { readConfigFile } from '../config/read-config-file.js';
import { checkSettings, readFlag } from '../config/schema.js';
import type { RawFlags } from './raw-flags.js';

/** Options as they apply, and what the user actually said: defaults < file < flags. */
export interface GivenOptions {
  readonly settings: Settings;
  readonly rates: RateTable;
  /** Only what a flag or the config file says. */
  readonly given: GivenSettings;
}

/** Resolves a command's options. Throws UsageError naming the option or key that is wrong. */
export async function readSettings(flags: RawFlags): Promise<GivenOptions> {
  const { settings, rates } = readDefaults();
  const given = checkSettings(
    Object.fromEntries(
      Object.entries(flags).map(([name, value]) => [
        name,
        typeof value === 'string' ? readFlag(name, value) : value,
      ]),
    ),
  );
  const file = given.config === undefined ? {} : await readConfigFile(given.config);
  // --no-color is commander's `color: false`; its unset default must not win over a file.
  const { color, ...spoken } = given;
  const shown = color === false ? { color: false } : {};
  const said = { ...file, ...spoken, ...shown };
  return { settings: { ...settings, ...said }, rates, given: said };
}
