import { expect, test } from 'vitest';
import { compareRuns } from '../../../src/compare/conclude.js';
import { compareDocument } from '../../../src/compare/document.js';
import type { RecordedRun } from '../../../src/compare/read.js';
import { UsageError } from '../../../src/errors.js';
import { htmlReport } from '../../../src/report/pages/html/report.js';
import { recordedRun } from './recorded-run.js';

/** Right answers on 100 images: which ones are wrong depends on the seed, how many on the arm. */
function runOf(arm: string, seed: number, wrong: number): RecordedRun {
  return recordedRun(
    arm,
    seed,
    Array.from({ length: 100 }, (_, i) => (37 * i + 11 * seed) % 100 >= wrong),
  );
}

/** Runs of arms `a` and `b`, the second one far better, under other names. */
function runsNamed(names: { readonly a: string; readonly b: string }, seeds = 6): RecordedRun[] {
  return Array.from({ length: seeds }, (_, seed) => [
    runOf(names.a, seed, 40 + (seed % 3)),
    runOf(names.b, seed, 20 + (seed % 2)),
  ]).flat();
}

/** The page's box with the verdict: its heading and its text. */
function verdictBox(arms: readonly string[], runs: readonly RecordedRun[]): [string, string] {
  const comparison = compareRuns(arms, runs, [], undefined);
  const outcome = { comparison, runs, failed: [], status: 'completed' as const };
  const context = { target: undefined, seconds: 0, trainedHere: undefined };
  const nothing = {
    ...{ madeBy: {}, curves: [], charts: [], predictions: [] },
    ...{ pictures: { won: [], lost: [] }, errors: [] },
  };
  const page = htmlReport(compareDocument(outcome, context), nothing);
  const [, title = '', text = ''] =
    /class="verdict[^"]*">\s*<strong>(.*?)<\/strong>\s*<p>(.*?)<\/p>/su.exec(page) ?? [];
  return [title, text];
}

test.each(['1cycle', 'my arm', 'none of these is better here: x', 'No comparison', 'fixed'])(
  'the page says of an arm called «%s» that it is better',
  (name) => {
    const [title, text] = verdictBox(['a', name], runsNamed({ a: 'a', b: name }));
    expect(title).toBe(`${name} is better here`);
    expect(text).toMatch(/ ends \d+\.\d points above a on average \(95% interval/u);
    expect(text.startsWith(`${name} ends`)).toBe(true);
  },
);

test('the page names the baseline where that is better', () => {
  const [title] = verdictBox(['my arm', 'a'], runsNamed({ a: 'a', b: 'my arm' }));
  expect(title).toBe('my arm is better here');
});

test('one arm alone and arms without a seed in common are no comparison', () => {
  const runs = runsNamed({ a: 'a', b: 'b' });
  const alone = runs.filter(({ arm }) => arm === 'a');
  expect(verdictBox(['a'], alone)).toEqual([
    'No comparison',
    'Only a was run, and there is nothing to compare it with.',
  ]);
  expect(compareRuns(['a'], alone, [], undefined).verdict).toMatchObject({ kind: 'one-arm', claim: 'none' });

  const apart = runs.map((run) => (run.arm === 'b' ? { ...run, pair: run.pair + 100 } : run));
  expect(verdictBox(['a', 'b'], apart)).toEqual([
    'No comparison',
    'There is no seed with which both b and a finished.',
  ]);
  expect(compareRuns(['a', 'b'], apart, [], undefined).verdict.kind).toBe('no-pairs');
});

test('no difference is titled so, with all that may have been missed', () => {
  const runs = [0, 1, 2].flatMap((seed) => [runOf('a', seed, 30 + seed), runOf('b', seed, 33)]);
  const [title, text] = verdictBox(['a', 'b'], runs);
  expect(title).toBe('No difference shown');
  expect(text).toMatch(/^b ends .* remains possible; more .*help.*\.$/u);
  expect(compareRuns(['a', 'b'], runs, [], undefined).verdict.kind).toBe('not-shown');
});

test('an arm called none is refused: a claim for it would read as no claim', () => {
  const runs = runsNamed({ a: 'a', b: 'none' });
  expect(() => compareRuns(['a', 'none'], runs, [], undefined)).toThrow(UsageError);
  expect(() => compareRuns(['a', 'none'], runs, [], undefined)).toThrow(
    /No arm may be called "none".*--arm/u,
  );
});
