import fc from 'fast-check';
import { expect, test } from 'vitest';
import { execFileSync } from 'node:child_process';
import { trainFlags } from '../../../src/compare/plan.js';
import { shellLine } from '../../../src/config/options.js';
import { readDefaults } from '../../../src/config/settings.js';

const { settings } = readDefaults();
const identity = { arm: '1cycle', lr: 5e-4, splitSeed: 0 };

test('defaults are left out, but for what makes the run and its place', () => {
  const flags = '--split-seed 0 --seed 0 --arm 1cycle --policy 1cycle --lr 0.0005 --backend auto --out runs';
  expect(trainFlags({ ...settings, ...identity }, settings)).toEqual(flags.split(' '));
});

test('what differs is spelled out: numbers, lists, switches', () => {
  const flags = trainFlags(
    {
      ...settings,
      ...identity,
      momentumRange: [0.9, 0.9],
      decayAt: [0.5, 0.75],
      threePhase: true,
      earlyStop: 2,
    },
    settings,
  ).join(' ');
  expect(flags).toContain('--momentum-range 0.9,0.9');
  expect(flags).toContain('--decay-at 0.5,0.75');
  expect(flags).toContain('--three-phase');
  expect(flags).toContain('--early-stop 2');
});

test("options of the terminal and of compare are not a run's", () => {
  const given = {
    json: true,
    quiet: true,
    jobs: 3,
    seeds: 9,
    target: 0.5,
    plan: true,
    report: 'r',
    config: 'c',
  };
  expect(trainFlags({ ...settings, ...identity, ...given }, settings)).toEqual(
    trainFlags({ ...settings, ...identity }, settings),
  );
});

test('a shell reads the very words', () => {
  const words = fc.array(fc.string({ unit: fc.constantFrom(...`a1 '"$\`\\*?~;&|<>(){}[]#!@-=é\n`) }), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(words, (list) => {
      // printf repeats its format for every word and once for none.
      const out = execFileSync('sh', ['-c', `printf '%s\\0' ${shellLine(['first', ...list])}`]).toString();
      expect(out.split('\0').slice(0, -1)).toEqual(['first', ...list]);
    }),
    { numRuns: 60 },
  );
});
