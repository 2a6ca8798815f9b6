import type { Settings } from './default-settings.js';
import { flagName, OPTIONS, type OptionName, type OptionSpec } from './options.js';

/** Options that say nothing about a run, or that only a person at a terminal wants. */
const NEVER = new Set<OptionName>([
  'config',
  'json',
  'quiet',
  'color',
  'debug',
  'resume',
  'extendTo',
  'dryRun',
  'jobs',
]);
/** Options that are spelled out even where they have their default: the run's identity and place. */
const ALWAYS = new Set<OptionName>(['arm', 'policy', 'lr', 'seed', 'splitSeed', 'backend', 'out']);

/** The flags that make `onecycle train` train exactly these settings, whatever the defaults of `defaults` are. */
export function trainFlags(settings: Settings, defaults: Settings): string[] {
  const names = Object.keys(OPTIONS).filter((name): name is OptionName => {
    const spec: OptionSpec | undefined = Object.hasOwn(OPTIONS, name)
      ? OPTIONS[name as OptionName]
      : undefined;
    return spec?.commands.includes('train') === true;
  });
  return names.flatMap((name) => {
    const value = settings[name];
    if (NEVER.has(name) || value === undefined) return [];
    if (!ALWAYS.has(name) && JSON.stringify(value) === JSON.stringify(defaults[name])) return [];
    if (typeof value === 'boolean') return value ? [flagName(name)] : [];
    return [flagName(name), Array.isArray(value) ? value.join(',') : String(value)];
  });
}

/** A command as a POSIX shell reads it. */
export function shellLine(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}
