import { describe, expect, it } from 'vitest';
import { smooth } from '../../../src/stats/range/curve.js';
import { rangeStop, type RangeStopState } from '../../../src/stats/range/stop.js';
import { asCurve, collapsing, noisy, recorded, type Sweep } from './range-tests.js';

const run = (losses: readonly number[], classes = 2, stopAt = 4, beta = 0.98): RangeStopState => {
  const rule = rangeStop({ classes, stopAt });
  const smoothed = smooth(losses, beta);
  return losses.reduce(
    (state, rawLoss, step) => rule.observe(state, { step, rawLoss, smoothedLoss: smoothed[step]! }),
    rule.initialState,
  );
};

describe('rangeStop: diverged', () => {
  it.each(['recorded_mlp_seed0', 'recorded_mlp_seed1', 'recorded_mlp_seed2'])(
    'where fastai stops %s',
    (name) => {
      // The oracle counts the points up to and with the one that ended the test.
      const curve = asCurve(recorded[name]!);
      expect(curve.stop).toBe('diverged');
      expect(curve.points.length).toBe(recorded[name]!.stoppedAfter);
      expect(curve.divergedAt).toBe(recorded[name]!.stoppedAfter - 1);
    },
  );

  it('at more than stopAt times the best smoothed loss, and no earlier', () => {
    expect(run([2, 1, 4], 100, 4, 0)).toMatchObject({ stop: 'end', at: null });
    expect(run([2, 1, 4.001], 100, 4, 0)).toMatchObject({ stop: 'diverged', at: 2 });
    expect(run([2, 1, 4.001], 100, 5, 0)).toMatchObject({ stop: 'end' });
  });

  it.each([NaN, Infinity, -Infinity])('at a raw loss of %s, once and for all', (loss) => {
    expect(run([1, 1, loss, 1, 1])).toMatchObject({ stop: 'diverged', at: 2 });
    expect(run([loss])).toMatchObject({ stop: 'diverged', at: 0 });
  });

  it('at a smoothed loss that is NaN although the raw one is not', () => {
    const rule = rangeStop({ classes: 2 });
    const next = rule.observe(rule.initialState, { step: 3, smoothedLoss: NaN, rawLoss: 0.5 });
    expect(next).toMatchObject({ stop: 'diverged', at: 3 });
  });
});

describe('rangeStop: collapsed', () => {
  const chance = Math.log(10);
  const times = (n: number, loss: number) => Array<number>(n).fill(loss);

  it('nine losses at ln(classes) after the network had learned', () => {
    // Of the last nine, seven must be back within 10% of chance: the seventh comes at step 26.
    const losses = [...times(20, 1.2), ...times(12, chance)];
    expect(run(losses, 10)).toMatchObject({ stop: 'collapsed', at: 26 });
  });

  it('also where the loss settles 4% beside ln(classes), not where it settles 15% beside', () => {
    expect(run([...times(20, 1.2), ...times(12, 0.96 * chance)], 10).stop).toBe('collapsed');
    expect(run([...times(20, 1.2), ...times(12, 0.85 * chance)], 10).stop).toBe('end');
    expect(run([...times(20, 1.2), ...times(12, 1.15 * chance)], 10).stop).toBe('end');
  });

  it('not a network that has not yet learned: it begins at ln(classes) too', () => {
    expect(run(times(60, chance), 10).stop).toBe('end');
    expect(run([...times(20, chance), ...times(20, 0.9 * chance), ...times(20, chance)], 10).stop).toBe(
      'end',
    );
  });

  it('not for a few bad batches', () => {
    expect(run([...times(20, 1.2), ...times(4, chance), ...times(20, 1.2)], 10).stop).toBe('end');
  });

  it('long before an average with beta 0.98 notices', () => {
    // 80 steps at 1.2 and then chance: the average is within 5% of ln(10) only after some 120 steps.
    const losses = [...times(80, 1.2), ...times(200, chance)];
    const smoothed = smooth(losses, 0.98);
    const noticed = smoothed.findIndex((s, i) => i > 80 && s >= 0.95 * chance);
    expect(noticed).toBeGreaterThan(180);
    expect(run(losses, 10).at).toBe(86);
  });

  // Of the range tests of folded MobileNets, momentum 0.9, 100 steps.
  const mobileNets: [string, Sweep, number][] = [
    ['V1, all, two classes', { steepest: 3.5e-4, lowest: 1.4e-3, collapse: 2.2e-3 }, 2],
    ['V1, last two blocks', { steepest: 1.5e-4, lowest: 1.2e-3, collapse: 5e-3 }, 2],
    ['V2, from block 6, ten classes', { steepest: 2.7e-4, lowest: 6e-4, collapse: 2e-3 }, 10],
  ].map(([name, rates, classes]) => [
    name as string,
    collapsing(100, classes as number, rates as Parameters<typeof collapsing>[2]),
    (rates as { collapse: number }).collapse,
  ]);
  it.each(mobileNets)(
    'within a decade of the rate at which %s collapses, under noise of 0.05',
    (name, sweep, rate) => {
      for (let draw = 0; draw < 50; draw++) {
        const curve = asCurve(noisy(sweep, 0.05, name, draw));
        expect(curve.stop).toBe('collapsed');
        const stoppedAt = sweep.learningRates[curve.divergedAt!]!;
        expect(stoppedAt).toBeGreaterThan(0.9 * rate);
        expect(stoppedAt).toBeLessThan(10 * rate);
      }
    },
  );
});

describe('rangeStop', () => {
  it('never stops a test that only learns', () => {
    expect(asCurve(recorded['strictly_decreasing']!)).toMatchObject({ stop: 'end', divergedAt: null });
  });

  it('has a state that survives JSON and is never changed in place', () => {
    const rule = rangeStop({ classes: 2 });
    let state = rule.initialState;
    [0.7, 0.6, 0.4, 0.3, 0.5, 0.7, 0.7].forEach((loss, step) => {
      const before = JSON.stringify(state);
      const observation = { step, smoothedLoss: loss, rawLoss: loss };
      const next = rule.observe(state, observation);
      expect(JSON.stringify(state)).toBe(before);
      expect(rule.observe(JSON.parse(before) as RangeStopState, observation)).toEqual(next);
      state = next;
    });
  });
});
