import { expect, test } from 'vitest';
import { superConvergenceNote } from '../../../src/report/words/compare.js';
import { type Caveat, superConvergence } from '../../../src/stats/times.js';

test.each<[Caveat | null, RegExp]>([
  [null, /^$/u],
  ['one-seed', /^One seed has no interval\.$/u],
  ['all-equal', /^All 3 seeds gave the same factor, too few to say how far another would lie\.$/u],
  ['few-seeds', /^Not every run reached the target, and fewer than six seeds/u],
  ['bounds', /^Runs that never reached the target count with the least time/u],
])('%s is said in a sentence', (caveat, words) => {
  expect(superConvergenceNote({ caveat, n: 3 })).toMatch(words);
});

test('the number of seeds in the sentence is that of the pairs', () => {
  const pair = { arm: 100, baseline: 200, armBudget: 400, baselineBudget: 400 };
  expect(superConvergenceNote(superConvergence([pair, pair], 0.9)!)).toMatch(/^All 2 seeds/u);
});
