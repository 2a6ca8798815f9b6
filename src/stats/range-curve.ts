/** One mini-batch of a range test. */
export interface RangePoint {
  /** Counts from 0. */
  readonly step: number;
  readonly learningRate: number;
  /** The loss as measured; it may be NaN at the point that ended the test. */
  readonly loss: number;
  /** The bias-corrected moving average up to this point. */
  readonly smoothedLoss: number;
}

/** How a sweep ended: the loss exploded, the network fell back to guessing, or neither. */
export type RangeEnd = 'diverged' | 'collapsed' | 'end';

/** The range test of one seed, as it lies in find-lr's JSON document. */
export interface RangeCurve {
  readonly seed: number;
  /** In the order of the steps; the point that ended the test is the last. */
  readonly points: readonly RangePoint[];
  /** The step at which divergence or collapse was noticed; null where the sweep went through. */
  readonly divergedAt: number | null;
  readonly stop: RangeEnd;
}
