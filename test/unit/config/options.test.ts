import { describe, expect, test } from 'vitest';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { checkSettings, readConfigFile } from '../../../src/config/check-settings.js';
import { flagName, OPTIONS, type OptionSpec } from '../../../src/config/options.js';
import { readDefaults } from '../../../src/config/settings.js';

const configs = fileURLToPath(new URL('../../../configs/', import.meta.url));
const file = `${configs}default.json`;
const raw = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
/** Options whose default depends on the data, the machine or other options. */
const WITHOUT_DEFAULT = [
  'arm',
  'bnMomentum',
  'config',
  'csv',
  'decayEvery',
  'earlyStop',
  'extendTo',
  'format',
  'imageSize',
  'jobs',
  'labels',
  'lr',
  'lrFactor',
  'pair',
  'rates',
  'report',
  'resume',
  'run',
  'stemStride',
  'steps',
  'target',
  'to',
  'top',
  'workers',
];

const specs: [string, OptionSpec][] = Object.entries(OPTIONS);

describe('the option table', () => {
  test.each(specs)('%s is described, belongs to a command, and names its value', (_, spec) => {
    expect(spec.description.length).toBeGreaterThan(4);
    expect(spec.description).not.toMatch(/\.$/);
    expect(spec.commands.length).toBeGreaterThan(0);
    expect(spec.argument === undefined).toBe(spec.type === 'flag');
  });

  test('flags are the keys in kebab case', () => {
    expect(flagName('batchSize')).toBe('--batch-size');
    expect(flagName('lr')).toBe('--lr');
    expect(flagName('headLrMultiplier')).toBe('--head-lr-multiplier');
    const flags = specs.map(([name]) => flagName(name));
    expect(new Set(flags).size).toBe(flags.length);
  });
});

test.each(readdirSync(configs).filter((name) => name.endsWith('.json') && name !== 'default.json'))(
  'configs/%s says what it is, and holds options alone',
  async (name) => {
    const { description, expected, time, ...options } = JSON.parse(
      readFileSync(`${configs}${name}`, 'utf8'),
    ) as Record<string, unknown>;
    for (const prose of [description, expected, time]) expect(prose).toMatch(/^.{15,}\.$/);
    expect(await readConfigFile(`${configs}${name}`)).toEqual(options);
  },
);

describe('configs/default.json', () => {
  test('passes the check of a config file: no unknown key, every value of its kind', async () => {
    const { description, expected, time, defaultLr, ...options } = raw;
    for (const prose of [description, expected, time]) expect(typeof prose).toBe('string');
    expect(await readConfigFile(file)).toEqual(options);
    for (const byPolicy of Object.values(defaultLr as Record<string, Record<string, number>>)) {
      expect(Object.keys(byPolicy)).toEqual(['fixed', '1cycle']);
      for (const lr of Object.values(byPolicy)) expect(() => checkSettings({ lr })).not.toThrow();
    }
    expect(Object.keys(defaultLr as object)).toEqual(['head', 'last', 'all']);
  });

  test('gives every option a value but for those that must wait', () => {
    const { settings } = readDefaults();
    const absent = Object.keys(OPTIONS).filter((name) => !(name in settings));
    expect(absent.sort()).toEqual(WITHOUT_DEFAULT);
    expect(() => checkSettings({ ...settings })).not.toThrow();
  });

  test('flags are off, but for colour', () => {
    const { settings } = readDefaults();
    const on = specs.filter(([name, { type }]) => type === 'flag' && settings[name as 'json']);
    expect(on.map(([name]) => name)).toEqual(['color']);
  });
});
