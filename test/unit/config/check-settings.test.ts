import { describe, expect, test } from 'vitest';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { checkSettings, readFlag } from '../../../src/config/check-settings.js';
import { nearest, OPTIONS } from '../../../src/config/options.js';
import { UsageError } from '../../../src/errors.js';

describe('values that are taken', () => {
  test.each<[string, unknown]>([
    ['batchSize', 1],
    ['epochs', 10_000],
    ['imageSize', 32],
    ['seed', 0],
    ['valSplit', 0.5],
    ['labelSmoothing', 0],
    ['weightDecay', 0],
    ['momentum', 0],
    ['patience', 0],
    ['decayFactor', 1],
    ['target', 1],
    ['divFactor', 1],
    ['momentumRange', [0.95, 0.85]],
    ['momentumRange', [0.9, 0.9]],
    ['trim', [0.1, 5]],
    ['decayAt', [0.5]],
    ['decayAt', [1 / 3, 2 / 3]],
    ['trainable', 'all'],
    ['trainable', 'head'],
    ['trainable', 'last:1'],
    ['trainable', 'last:11'],
    ['lr', 1e-9],
    ['lr', 'auto'],
    ['lr', 'from:runs/find-lr'],
    ['lr', { fixed: 1e-3, '1cycle': 'auto' }],
    ['policies', ['fixed', 'my.json@100']],
    ['policy', '1cycle'],
    ['json', true],
    ['color', false],
    ['data', 'a folder with spaces and ümläuts'],
  ])('%s: %j', (name, value) => {
    expect(checkSettings({ [name]: value })).toEqual({ [name]: value });
  });
});

describe('paths that no shell has expanded', () => {
  const home = (name: string) => join(homedir(), name);

  test.each<[string, unknown, unknown]>([
    ...['config', 'data', 'weights', 'out', 'report', 'resume'].map((name): [string, string, string] => [
      name,
      '~/a b/c',
      home('a b/c'),
    ]),
    ['out', '~', homedir()],
    ['lr', 'from:~/runs/find-lr', `from:${home('runs/find-lr')}`],
    ['lr', { fixed: 1, '1cycle': 'from:~/x' }, { fixed: 1, '1cycle': `from:${home('x')}` }],
    // Only at the start, and only one's own home.
    ['data', './~/x', './~/x'],
    ['data', 'a/~/x', 'a/~/x'],
    ['data', '~x', '~x'],
    ['arm', '~/x', '~/x'],
  ])('%s: %j', (name, value, expected) => {
    expect(checkSettings({ [name]: value })).toEqual({ [name]: expected });
  });
});

describe('values that are refused, with what was expected and what was received', () => {
  test.each<[string, unknown, RegExp]>([
    ['batchSize', 0, /whole number of at least 1 for --batch-size but received 0/],
    ['batchSize', 1.5, /received 1.5/],
    ['batchSize', '32', /received "32"/],
    ['batchSize', null, /received null/],
    ['batchSize', Infinity, /received Infinity/],
    ['batchSize', 2 ** 53, /received 9007199254740992/],
    ['imageSize', 31, /whole number from 32 to 2048 for --image-size but received 31/],
    ['imageSize', 2049, /received 2049/],
    ['epochs', 1e9, /whole number from 1 to 10000 for --epochs but received 1000000000/],
    ['views', 1e9, /from 1 to 1000 for --views/],
    ['seed', -1, /from 0 to 9007199254740991 for --seed but received -1/],
    // 2^53 and 2^53 + 1 are one number, and would be one run.
    ['seed', 2 ** 53, /from 0 to 9007199254740991 for --seed but received 9007199254740992/],
    ['seed', Number('9007199254740993'), /for --seed but received 9007199254740992/],
    ['seed', 1e300, /for --seed but received 1e\+300/],
    ['pair', 2 ** 53, /from 0 to 9007199254740991 for --pair/],
    ['splitSeed', 2 ** 53, /from 0 to 9007199254740991 for --split-seed/],
    ['valSplit', 0, /number above 0 and below 1 for --val-split/],
    ['valSplit', 1, /received 1/],
    ['momentum', 1, /of at least 0 and below 1 for --momentum/],
    ['decayFactor', 0, /above 0 and of at most 1 for --decay-factor/],
    ['decayFactor', 1.01, /received 1.01/],
    ['divFactor', 0.5, /of at least 1 for --div-factor but received 0.5/],
    ['minLr', 0, /above 0 for --min-lr but received 0/],
    ['stopAt', 1, /above 1 for --stop-at/],
    ['lr', 0, /a rate above 0, auto, from:RUN.* for --lr but received 0/],
    ['lr', -1, /received -1/],
    ['lr', NaN, /received NaN/],
    ['lr', 'NaN', /received "NaN"/],
    ['lr', 'from:', /received "from:"/],
    ['lr', { fixed: 0 }, /received {"fixed":0}/],
    ['momentumRange', [0.85, 0.95], /two numbers from 0 to below 1, the larger first for --momentum-range/],
    ['momentumRange', [1, 0.85], /received \[1,0.85\]/],
    ['momentumRange', [0.9], /received \[0.9\]/],
    ['momentumRange', [0.95, 0.9, 0.85], /received/],
    ['decayAt', [], /rising order.*received \[\]/],
    ['decayAt', [0, 0.5], /received \[0,0.5\]/],
    ['decayAt', [0.5, 1], /received \[0.5,1\]/],
    ['decayAt', [0.6, 0.3], /received \[0.6,0.3\]/],
    ['decayAt', [0.5, 0.5], /received \[0.5,0.5\]/],
    ['trainable', 'last:0', /all, head or last:N.*received "last:0"/],
    ['trainable', 'last', /received "last"/],
    ['trainable', ['all'], /received \["all"\]/],
    ['trainable', 'last:1.5', /received "last:1.5"/],
    ['policy', 'cycle', /one of fixed, 1cycle for --policy but received "cycle"/],
    ['policies', [], /list of names for --policies/],
    ['policies', [''], /received \[""\]/],
    ['data', 5, /a path \(a text without NUL characters\) for --data but received 5/],
    ['data', '', /a path \(a text without NUL characters\) for --data but received ""/],
    ['out', 'a\0b', /a path \(a text without NUL characters\) for --out but received "a\\u0000b"/],
    ['lr', 'from:a\0b', /received "from:a\\u0000b"/],
    ['arm', 'a\u001bb', /a text without control characters for --arm/],
    ['policies', ['fixed', 'a\nb'], /list of names for --policies/],
    ['lr', '0,001', /but received "0,001"\. Write it with a point: 0\.001\.$/],
    ['valSplit', '20%', /but received "20%"\. Write it as a share: 0\.2\.$/],
    ['seeds', '1-5', /but received "1-5"\. It is how many: --seed says the first\.$/],
    ['seeds', '0,1,2', /It is how many: --seed says the first\.$/],
    ['epochs', 'ten', /but received "ten"\.$/],
    ['json', 'yes', /true or false for --json but received "yes"/],
  ])('%s: %j', (name, value, message) => {
    expect(() => checkSettings({ [name]: value })).toThrow(message);
    expect(() => checkSettings({ [name]: value })).toThrow(UsageError);
  });

  test('a value from a file is told by its key and the file', () => {
    expect(() => checkSettings({ batchSize: 0 }, 'my.json')).toThrow(
      'Expected a whole number of at least 1 for "batchSize" in my.json but received 0.',
    );
  });
});

describe('unknown keys', () => {
  const nearestOption = (name: string) => nearest(name, Object.keys(OPTIONS));

  test.each([
    ['batchsize', 'batchSize'],
    ['batch-size', 'batchSize'],
    ['batchSise', 'batchSize'],
    ['epoch', 'epochs'],
    ['lrs', 'lr'],
    ['policyes', 'policies'],
    ['pctstart', 'pctStart'],
    ['weigths', 'weights'],
  ])('%s: did you mean %s?', (misspelt, meant) => {
    expect(nearestOption(misspelt)).toBe(meant);
    expect(() => checkSettings({ [misspelt]: 1 }, 'my.json')).toThrow(
      `Unknown key "${misspelt}" in my.json. Did you mean "${meant}"?`,
    );
  });

  test.each(['optimizer', 'colourOfTheSky', 'schemaVersion'])('%s is like none', (name) => {
    expect(nearestOption(name)).toBeUndefined();
    expect(() => checkSettings({ [name]: 1 }, 'my.json')).toThrow(/Unknown key .* See onecycle train --help/);
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    '%s is one, not an inherited name',
    (name) => {
      const given = Object.fromEntries([[name, 1]]);
      expect(() => checkSettings(given)).toThrow(`Unknown key "${name}"`);
    },
  );
});

describe("what a flag's text means", () => {
  test.each<[string, string, unknown]>([
    ['batchSize', '32', 32],
    ['epochs', '1e2', 100],
    ['weightDecay', '1e-4', 1e-4],
    ['seed', ' 7 ', 7],
    // What is no number stays a text, for the message.
    ['batchSize', '', ''],
    ['batchSize', ' ', ' '],
    ['batchSize', '3x', '3x'],
    ['batchSize', 'NaN', 'NaN'],
    ['data', '12', '12'],
    ['policies', 'fixed,1cycle@100', ['fixed', '1cycle@100']],
    ['momentumRange', '0.95,0.85', [0.95, 0.85]],
    ['momentumRange', '0.95,x', [0.95, 'x']],
    ['decayAt', '1/3,2/3', [1 / 3, 2 / 3]],
    ['decayAt', '0.5,3/4', [0.5, 0.75]],
    ['decayAt', '1/2/3', ['1/2/3']],
    ['decayAt', 'half', ['half']],
    ['lr', '5e-3', 5e-3],
    ['lr', 'auto', 'auto'],
    ['lr', 'from:runs/x', 'from:runs/x'],
    ['lr', 'from:runs/lr=3', 'from:runs/lr=3'],
    ['lr', 'fixed=1e-3,1cycle=5e-3', { fixed: 1e-3, '1cycle': 5e-3 }],
    ['lr', 'fixed=auto,1cycle@100=from:runs/x', { fixed: 'auto', '1cycle@100': 'from:runs/x' }],
    ['trainable', 'last:3', 'last:3'],
    ['unknown', '3', '3'],
  ])('--%s %j', (name, text, value) => {
    expect(readFlag(name, text)).toEqual(value);
  });

  test('a share by zero is refused, not infinite', () => {
    expect(() => checkSettings({ decayAt: readFlag('decayAt', '1/0') })).toThrow(/shares of the budget/);
  });
});
