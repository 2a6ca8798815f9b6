import { describe, expect, it } from 'vitest';
import { adviceReason, interruptedReason } from '../../../src/report/words/advice.js';
import { findLrReport } from '../../../src/report/pages/find-lr.js';
import { type RangeFinding, recommend, type Recommendation } from '../../../src/stats/range/recommend.js';
import { suggestOverSeeds } from '../../../src/stats/range/suggestions.js';
import { measured } from '../stats/range-tests.js';
import { sampleRangeTest } from './sample-runs.js';

const rates = { learningRate: 3.47e-4, fixedLearningRate: 2.31e-4 };
const found = (
  seeds: number,
  agreement: Recommendation['agreement'] = { verdict: 'good', factor: 1.94 },
): Recommendation => ({
  recommended: rates,
  finding: {
    kind: 'rate',
    rates,
    seeds,
    trainingSteps: 160,
    shortestSteps: 45,
    halfway: 9.9e-5,
    lowest: 6.9e-4,
  },
  agreement,
});

describe('adviceReason', () => {
  it('says what the curve shows, what follows for the training, and how far chance moves it', () => {
    expect(adviceReason(found(3), 10)).toBe(
      'Over 3 seeds the loss is halfway down near 9.9e-5 and lowest near 6.9e-4. For a training of 160 steps take ' +
        "3.5 times the first of these as 1cycle's maximum, 3.5e-4, and 0.67 of that as a fixed rate, " +
        '2.3e-4; less for a longer one, more for a shorter one, down to 45 steps. The seeds agree within a factor of 1.9 (good): that ' +
        'is how far chance moves the rate, not how near it is to the best one.',
    );
  });

  it('says that a training as short as they come gets no more', () => {
    const { finding, ...rest } = found(3);
    const short = { ...rest, finding: { ...finding, trainingSteps: 8 } as typeof finding };
    expect(adviceReason(short, 10)).toContain('; less for a longer one, the same for a shorter one. ');
  });

  it('says of a head alone that a fixed rate is the same', () => {
    const same = { learningRate: 4e-3, fixedLearningRate: 4e-3 };
    const { finding, ...rest } = found(3);
    expect(adviceReason({ ...rest, finding: { ...finding, rates: same } as typeof finding }, 10)).toContain(
      "as 1cycle's maximum, 4e-3, and the same as a fixed rate; less for a longer one",
    );
  });

  it('calls nothing steepest: that is the name of a method in the table', () => {
    expect(adviceReason(found(3), 10)).not.toMatch(/steep|falls fastest/u);
  });

  it.each(measured)(
    'and the page has one steepest rate, in the descent: $name',
    ({ curves, classes, steps }) => {
      const advice = recommend(curves, { steps, part: 'folded' });
      const reason = adviceReason(advice, classes);
      const suggestions = suggestOverSeeds(curves, {
        plannedSteps: Math.max(...curves.map((c) => c.points.length)),
      });
      const page = findLrReport(
        { ...sampleRangeTest(1), curves, suggestions, recommended: advice.recommended, reason },
        { width: 100, colour: false },
      );
      // Once in the chart's legend and once in the table.
      expect(page.match(/steepest|falls fastest/gu)).toHaveLength(2);
      const [, halfway] = /halfway down near (\S+)/u.exec(page.replace(/\s+/gu, ' ')) ?? [];
      expect(suggestions.steepest.low).toBeGreaterThan(Number(halfway) / 3);
    },
  );

  it('says what to do where seeds disagree or are too few', () => {
    expect(adviceReason(found(3, { verdict: 'poor', factor: 9.6 }), 10)).toMatch(
      /within a factor of 9\.6 \(poor\): raise --seeds or --steps before relying on it\.$/u,
    );
    const one = adviceReason(found(1, { verdict: 'unknown', factor: null }), 10);
    expect(one).toMatch(/^On one seed the loss .* fewer than two give a rate\. Raise --seeds\.$/u);
  });

  it.each<[RangeFinding, RegExp]>([
    [{ kind: 'no-test' }, /no range test to judge\. Raise --seeds/u],
    [{ kind: 'not-finite' }, /NaN or infinite from the first step.*data and the weights/u],
    [
      { kind: 'diverged-at-once', steps: 1, highestRate: 1e-7 },
      /diverged at once, after 1 step, at a rate of 1e-7\. Lower --min-lr/u,
    ],
    [{ kind: 'too-few-steps', steps: 5 }, /only 5 steps\. Raise --steps/u],
    [
      { kind: 'noise', start: 0.69, bottom: 0.62, noise: 0.035 },
      /from 0\.69 \(guessing among 2 classes gives 0\.69\) to 0\.62, which its noise of 0\.035 .*Raise --seeds, --steps or --batch-size/u,
    ],
    [
      { kind: 'never-fell', start: 0.7, lowestRate: 1e-3, secondRate: 1.3e-3 },
      /never clearly fell .*from 1e-3 on is too high.*Lower --min-lr/u,
    ],
    [
      { kind: 'never-fell', start: 0.7, lowestRate: 1e-7, secondRate: 0.0128 },
      /never clearly fell .*between 1e-7 and 0\.013 no rate was tried\. Take --sweep exponential/u,
    ],
    [
      { kind: 'flat', start: 0.69, highestRate: 10 },
      /stayed flat at 0\.69 .*highest rate, 10\. Raise --max-lr/u,
    ],
    [
      { kind: 'never-rose', highestRate: 0.5 },
      /still low at the highest rate, 0\.5, and never rose.*Raise --max-lr/u,
    ],
    [
      { kind: 'below-range', rate: 3e-4, lowestRate: 1e-3 },
      /3e-4, lies below the range that was tried, which begins at 1e-3\. Lower --min-lr/u,
    ],
  ])('after $kind it says what to change', (finding, words) => {
    const agreement = { verdict: 'unknown', factor: null } as const;
    expect(adviceReason({ recommended: null, finding, agreement }, 2)).toMatch(words);
  });
});

it('an interrupted test is no base for a rate', () => {
  expect(interruptedReason(70, 180)).toMatch(/interrupted after 70 of 180 steps/u);
});
