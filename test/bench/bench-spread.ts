/** What several measurements of the same thing say. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Median, lowest and highest; NaN where there are none. */
export function spread(numbers: readonly number[]): Spread {
  const sorted = numbers.toSorted((a, b) => a - b);
  return { median: sorted[sorted.length >> 1] ?? NaN, low: sorted[0] ?? NaN, high: sorted.at(-1) ?? NaN };
}

/** Ours over theirs, round by round: a noisy minute hits both sides of a pair. */
export function ratios(ours: readonly number[], theirs: readonly number[]): Spread {
  return spread(ours.map((own, i) => own / (theirs[i] ?? NaN)));
}
