import { randomStream } from '../random/streams.js';
import type { Head } from './head.js';

/**
 * A fresh head: kernel uniform in [-1/sqrt(features), 1/sqrt(features)), as torch.nn.Linear draws it, and
 * bias zero. It depends on the three numbers alone, so that all arms of a comparison start alike.
 */
export function initHead(features: number, classes: number, seed: number): Head {
  const stream = randomStream(seed, 'head');
  const bound = 1 / Math.sqrt(features);
  const kernel = Float32Array.from({ length: features * classes }, () => (2 * stream.uniform() - 1) * bound);
  return { kernel, bias: new Float32Array(classes) };
}
