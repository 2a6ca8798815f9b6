import type { ArmPredictions } from './compare-pictures.js';

/** `counts[label][predicted]`: images of class `label` that were taken for class `predicted`, over all runs. */
export type Confusion = readonly (readonly number[])[];

/** The final predictions of an arm's runs, summed. */
export function confusion({ runs }: ArmPredictions, classes: number): Confusion {
  const counts = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
  for (const { label, final } of runs.flat()) {
    const row = counts[label];
    if (row !== undefined && row[final.predicted] !== undefined)
      row[final.predicted] = (row[final.predicted] ?? 0) + 1;
  }
  return counts;
}

/** Share of a class that was recognised, over all runs; null for a class without validation images. */
export function classAccuracy(counts: Confusion, label: number): number | null {
  const row = counts[label] ?? [];
  const total = row.reduce((sum, count) => sum + count, 0);
  return total === 0 ? null : (row[label] ?? 0) / total;
}

/** A mistake and how often it was made. */
export interface Mistake {
  readonly label: number;
  readonly predicted: number;
  readonly count: number;
}

/** The most frequent mistakes, the most frequent first. */
export function commonMistakes(counts: Confusion, most: number): Mistake[] {
  return counts
    .flatMap((row, label) => row.map((count, predicted) => ({ label, predicted, count })))
    .filter(({ label, predicted, count }) => label !== predicted && count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, most);
}
