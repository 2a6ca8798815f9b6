import { UsageError } from '../../errors.js';

/** Batch norm of `channels` channels in inference mode; gamma or beta are absent without scale or center. */
export interface BatchNorm {
  readonly name: string;
  readonly gamma?: Float32Array | undefined;
  readonly beta?: Float32Array | undefined;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  /** Added to the variance before the root. */
  readonly epsilon: number;
}

/** A convolution's filter, channels last, and its bias of length `channels`. */
export interface Filter {
  readonly kernel: Float32Array;
  readonly bias: Float32Array;
}

/**
 * The filter that does what a convolution followed by batch norm does: with
 * s = gamma / sqrt(variance + epsilon), w' = w s and b' = beta + (b - mean) s, one s per channel
 * (Jacob et al. 2018, arXiv 1712.05877, section 3.2). Always new arrays. Without batch norm a copy.
 *
 * The channel of kernel element i is i mod channels, for filters [kh, kw, in, channels] and for
 * depthwise ones [kh, kw, channels, 1]. Throws UsageError where variance + epsilon is not positive.
 */
export function foldBatchNorm({ kernel, bias }: Filter, batchNorm: BatchNorm | undefined): Filter {
  if (batchNorm === undefined) return { kernel: kernel.slice(), bias: bias.slice() };
  const { gamma, beta, mean, variance, epsilon } = batchNorm;
  const channels = bias.length;
  // Float64 until the product is stored: the fold then rounds once.
  const scale = Float64Array.from(variance, (value, c) => {
    if (!(value + epsilon > 0)) {
      throw new UsageError(`batch norm «${batchNorm.name}» has the variance ${value} in channel ${c}`);
    }
    return (gamma?.[c] ?? 1) / Math.sqrt(value + epsilon);
  });
  const at = (values: ArrayLike<number>, i: number): number => values[i] ?? 0;
  const folded = kernel.slice();
  // A loop: a callback for each of millions of weights takes some of the time until the first step.
  for (let i = 0; i < folded.length; i++) folded[i] = at(kernel, i) * at(scale, i % channels);
  return {
    kernel: folded,
    bias: bias.map((b, c) => (beta?.[c] ?? 0) + (b - at(mean, c)) * at(scale, c)),
  };
}
