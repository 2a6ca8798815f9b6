/**
 * Writes shares from -1 to 1 as percentage points that belong to one sentence: all with the same number
 * of decimals (1 to 3), so many that none of `values` is written as zero that is not zero, as an
 * interval from «0.0» would seem to contain it.
 */
export function percentagePoints(...values: readonly number[]) {
  const hidden = (digits: number) =>
    values.some((value) => Math.abs(value) > ROUNDING && Number((value * 100).toFixed(digits)) === 0);
  const digits = [1, 2].find((decimals) => !hidden(decimals)) ?? 3;
  // Adding 0 turns a rounded -0.0 into 0.0.
  const signed = (share: number) => (Number((share * 100).toFixed(digits)) + 0).toFixed(digits);
  return {
    /** Without its sign. */
    size: (share: number) => signed(Math.abs(share)),
    range: ({ low, high }: { readonly low: number; readonly high: number }) =>
      `${signed(low)} to ${signed(high)}`,
  };
}

const ROUNDING = 1e-9;
