/** Goes from `start` to `end` as `fraction` goes from 0 to 1; exactly `start` at 0 and `end` at 1. */
export type Anneal = (start: number, end: number, fraction: number) => number;

/** Half a cosine wave: flat, steep, flat (Loshchilov and Hutter, arXiv 1608.03983, equation 5). */
export const cosine: Anneal = (start, end, fraction) =>
  linear(start, end, (1 - Math.cos(Math.PI * fraction)) / 2);

/** A straight line (Smith, arXiv 1506.01186, section 3.1). */
export const linear: Anneal = (start, end, fraction) =>
  // Measured from the nearer end: a rate that falls by many orders of magnitude ends on its final value to
  // the last bit, never below zero, and two equal ends give a constant.
  fraction < 0.5 ? start + (end - start) * fraction : end + (start - end) * (1 - fraction);

/** The annealings by the names that options give them. */
export const annealings = { cos: cosine, linear } as const;

/** The name of an annealing, as in `--anneal`. */
export type AnnealName = keyof typeof annealings;
