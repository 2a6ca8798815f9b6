/**
 * Index of the first value that is NaN or infinite, or -1. A loop, because millions of weights are asked for, some after every
 * epoch, and a callback takes eight times as long.
 */
export function firstNonFinite(values: Float32Array): number {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return i;
  return -1;
}
