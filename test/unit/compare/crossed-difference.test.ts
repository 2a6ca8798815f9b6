import { describe, expect, it } from 'vitest';
import { compareRuns } from '../../../src/compare/conclude.js';
import type { RecordedRun } from '../../../src/compare/read.js';
import { crossedDifference, crossedSums } from '../../../src/stats/crossed.js';
import { pairedDifference } from '../../../src/stats/difference.js';
import { recordedRun } from './recorded-run.js';

const IMAGES = 60;

/** Which images a run gets right: the arm decides how many, arm and seed which. */
function answers(arm: string, seed: number): boolean[] {
  const [wrong, step] = arm === 'a' ? [20, 7] : [12, 11];
  return Array.from({ length: IMAGES }, (_, i) => (step * i + 13 * seed) % IMAGES >= wrong + (seed % 3));
}

const runOf = (arm: string, seed: number) => recordedRun(arm, seed, answers(arm, seed));
const runsOf = (arms: readonly string[], seeds: readonly number[]) =>
  arms.flatMap((arm) => seeds.map((seed) => runOf(arm, seed)));
const conclude = (arms: readonly string[], runs: readonly RecordedRun[]) =>
  compareRuns(arms, runs, [], undefined);

/** (arm right) - (baseline right), a row a seed. */
function rowsOf(arm: string, baseline: string, seeds: readonly number[]): number[][] {
  return seeds.map((seed) => {
    const its = answers(baseline, seed);
    return answers(arm, seed).map((right, i) => Number(right) - Number(its[i]));
  });
}

describe('the difference of two arms', () => {
  it('is the crossed one over the seeds and images that both have', () => {
    const { difference, verdict } = conclude(['a', 'b'], runsOf(['b', 'a'], [2, 0, 1, 3]));
    const { mean, low, high, pValue, degreesOfFreedom, varianceShares } = crossedDifference(
      crossedSums(rowsOf('b', 'a', [0, 1, 2, 3])),
    );
    const numbers = { mean, low, high, pValue, degreesOfFreedom, varianceShares };
    expect(difference).toMatchObject({ ...numbers, adjustedPValue: pValue, method: 'crossed' });
    expect(difference?.overImages).toMatchObject({ n: IMAGES });
    expect(difference?.perSeed).toHaveLength(4);
    expect(verdict.sentence).toContain(`over 4 seeds and ${IMAGES} images`);
  });

  it('leaves out seeds that one arm lacks, and says so', () => {
    const runs = [...runsOf(['a'], [0, 1, 2, 3, 4]), ...runsOf(['b'], [1, 3, 4, 9])];
    const { difference, warnings } = conclude(['a', 'b'], runs);
    const { mean, low, high } = crossedDifference(crossedSums(rowsOf('b', 'a', [1, 3, 4])));
    expect(difference).toMatchObject({ mean, low, high });
    expect(warnings.join('\n')).toContain('1 run of b and 2 runs of a have no partner');
  });

  it.each<readonly [string, (run: RecordedRun) => RecordedRun]>([
    ['other images', (run) => withPredictions(run, (line) => ({ ...line, image: `other/${line.image}` }))],
    ['no predictions', (run) => ({ ...run, record: { ...run.record, predictions: null } })],
  ])('is over the seeds alone and claims nothing where one arm has %s', (_, change) => {
    const seeds = [0, 1, 2, 3, 4, 5];
    const runs = [...runsOf(['a'], seeds), ...runsOf(['b'], seeds).map(change)];
    const { difference, verdict } = conclude(['a', 'b'], runs);
    const accuracy = (arm: string) => seeds.map((seed) => answers(arm, seed).filter(Boolean).length / IMAGES);
    const { mean, low, high, pValue } = pairedDifference(accuracy('b'), accuracy('a'));
    expect(difference).toMatchObject({ mean, low, high, pValue, varianceShares: null, overImages: null });
    expect(verdict).toMatchObject({ claim: 'none' });
    expect(verdict.sentence).toContain('predictions of both on the same images are missing');
  });

  it('is over the seeds alone where there is a single image', () => {
    const one = (arm: string, seed: number) => recordedRun(arm, seed, [arm === 'b' || seed === 0]);
    const runs = ['a', 'b'].flatMap((arm) => [0, 1, 2].map((seed) => one(arm, seed)));
    const { difference, verdict } = conclude(['a', 'b'], runs);
    expect(difference).toMatchObject({ method: 'paired t', degreesOfFreedom: 2, varianceShares: null });
    expect(verdict.claim).toBe('none');
  });

  it('has no interval where two arms answer alike throughout', () => {
    const runs = ['a', 'b'].flatMap((arm) =>
      [0, 1, 2].map((seed) => recordedRun(arm, seed, answers('a', seed))),
    );
    const { difference, verdict } = conclude(['a', 'b'], runs);
    expect(difference).toMatchObject({ mean: 0, low: null, high: null, pValue: 1, method: 'sign flip' });
    expect(verdict).toMatchObject({ kind: 'equal', claim: 'none' });
  });

  it('of several arms has p corrected by Holm', () => {
    const { differences } = conclude(['a', 'b', 'c'], runsOf(['a', 'b', 'c'], [0, 1, 2, 3]));
    const raw = differences.map(({ pValue }) => pValue!);
    // b and c are alike, so both p are twice the one.
    expect(raw[0]).toBe(raw[1]);
    expect(differences.map(({ adjustedPValue }) => adjustedPValue)).toEqual(
      raw.map((p) => Math.min(1, 2 * p)),
    );
  });

  it('of several arms the best supported one is the verdict, wherever its arm stands', () => {
    const seeds = [0, 1, 2, 3];
    // Right everywhere, where a misses at least 20 of 60 images; and a again.
    const right = seeds.map((seed) => recordedRun('right', seed, Array<boolean>(IMAGES).fill(true)));
    const same = seeds.map((seed) => recordedRun('same', seed, answers('a', seed)));
    const runs = [...runsOf(['a'], seeds), ...right, ...same];
    for (const names of [
      ['a', 'right', 'same'],
      ['a', 'same', 'right'],
    ]) {
      const { verdict, difference } = conclude(names, runs);
      expect(verdict).toMatchObject({ kind: 'claim', claim: 'right', title: 'right is better than a here' });
      expect(verdict.detail).toContain('The others against a: same equal');
      expect(difference?.arm).toBe(names[2]);
    }
  });
});

type Line = NonNullable<RecordedRun['record']['predictions']>[number];

function withPredictions(run: RecordedRun, change: (line: Line) => Line): RecordedRun {
  return { ...run, record: { ...run.record, predictions: run.record.predictions!.map(change) } };
}
