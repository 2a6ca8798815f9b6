import { UsageError } from '../../errors.js';
import type { Backbone, ConvUnit, Parameters } from '../network.js';

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
  requirePositive(batchNorm);
  // Float64 until the product is stored: the fold then rounds once.
  const scale = Float64Array.from(variance, (value, c) => (gamma?.[c] ?? 1) / Math.sqrt(value + epsilon));
  const at = (values: ArrayLike<number>, i: number): number => values[i] ?? 0;
  const folded = kernel.slice();
  // A loop: a callback for each of millions of weights takes some of the time until the first step.
  for (let i = 0; i < folded.length; i++) folded[i] = at(kernel, i) * at(scale, i % channels);
  return {
    kernel: folded,
    bias: bias.map((b, c) => (beta?.[c] ?? 0) + (b - at(mean, c)) * at(scale, c)),
  };
}

/** Throws UsageError where variance + epsilon, whose root is divided by, is not positive. */
export function requirePositive({
  name,
  variance,
  epsilon,
}: Pick<BatchNorm, 'name' | 'variance' | 'epsilon'>): void {
  const channel = variance.findIndex((value) => !(value + epsilon > 0));
  if (channel < 0) return;
  throw new UsageError(`batch norm «${name}» has the variance ${variance[channel]} in channel ${channel}`);
}

/**
 * A network whose batch norm is folded by its running statistics in all blocks before `firstKept`: what frozen units compute.
 * The others stay as they are.
 */
export function foldBatchNorms(
  { backbone, parameters }: { readonly backbone: Backbone; readonly parameters: Parameters },
  firstKept = backbone.blocks.length,
): { readonly backbone: Backbone; readonly parameters: Parameters } {
  const folded = new Map(parameters);
  const blocks = backbone.blocks.map((block, i) =>
    i < firstKept ? { ...block, units: block.units.map((unit) => foldUnit(unit, folded)) } : block,
  );
  return { backbone: { ...backbone, blocks }, parameters: folded };
}

/** The unit without batch norm, its parameters changed to match. */
function foldUnit(
  unit: ConvUnit,
  parameters: Map<string, { shape: readonly number[]; values: Float32Array }>,
) {
  const { batchNorm, ...plain } = unit;
  if (batchNorm === undefined) return unit;
  const { name, filterShape } = unit;
  const take = (part: string): Float32Array => {
    const found = parameters.get(`${name}/${part}`);
    if (found === undefined) throw new RangeError(`parameter ${name}/${part} is missing`);
    parameters.delete(`${name}/${part}`);
    return found.values;
  };
  const kernel = take('kernel');
  const norm = { gamma: take('gamma'), beta: take('beta'), mean: take('mean'), variance: take('variance') };
  const bias = new Float32Array(norm.mean.length);
  const filter = foldBatchNorm({ kernel, bias }, { name, epsilon: batchNorm.epsilon, ...norm });
  parameters.set(`${name}/kernel`, { shape: filterShape, values: filter.kernel });
  parameters.set(`${name}/bias`, { shape: [bias.length], values: filter.bias });
  return plain;
}
