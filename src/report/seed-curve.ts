import type { EpochRecord } from '../training/records.js';
import type { ArmCurves } from './compare-view.js';
import type { ChartSeries } from './line-chart.js';

/**
 * An arm's curve per epoch: the mean over its seeds and, where `banded` and from two seeds on, a band from the
 * lowest to the highest.
 */
export function seedCurve(
  { policy, runs }: ArmCurves,
  value: (epoch: EpochRecord) => number,
  banded: boolean,
): ChartSeries {
  const byEpoch = new Map<number, number[]>();
  for (const record of runs.flatMap(({ epochs }) => epochs)) {
    const number = value(record);
    if (!Number.isFinite(number)) continue;
    const seen = byEpoch.get(record.epoch);
    if (seen === undefined) byEpoch.set(record.epoch, [number]);
    else seen.push(number);
  }
  const points = [...byEpoch].sort(([a], [b]) => a - b);
  const curve: ChartSeries = {
    name: policy,
    x: points.map(([epoch]) => epoch),
    values: points.map(([, seeds]) => seeds.reduce((sum, seed) => sum + seed, 0) / seeds.length),
  };
  if (!banded || runs.length < 2) return curve;
  return {
    ...curve,
    band: {
      low: points.map(([, seeds]) => Math.min(...seeds)),
      high: points.map(([, seeds]) => Math.max(...seeds)),
    },
  };
}
