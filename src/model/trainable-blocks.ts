import { UsageError } from '../errors/errors.js';
import type { Backbone } from './network.js';

/** Which part of the network is trained: `--trainable`. The head always is. */
export type TrainablePart = 'all' | 'head' | `last:${number}`;

/**
 * Index into `backbone.blocks` of the first block that is trained; `blocks.length` where none is.
 *
 * `last:N` counts inverted residuals (V2) or depthwise-separable blocks (V1) from the end; what follows
 * the last of them (V2: Conv_1) is trained with them, the stem is not. Throws UsageError where N is no
 * whole number of blocks that the network has.
 */
export function firstTrainableBlock(backbone: Backbone, trainable: TrainablePart): number {
  if (trainable === 'all') return 0;
  if (trainable === 'head') return backbone.blocks.length;
  const stem = 1;
  const after = backbone.version === 2 ? 1 : 0;
  const countable = backbone.blocks.length - stem - after;
  const digits = /^last:(\d+)$/.exec(trainable)?.[1];
  const wanted = digits === undefined ? NaN : Number(digits);
  if (!(wanted >= 1 && wanted <= countable)) {
    const kind = backbone.version === 2 ? 'inverted residuals' : 'depthwise-separable blocks';
    throw new UsageError(
      `trainable ${JSON.stringify(trainable)}: expected all, head, or last:N with N from 1 to ${countable}, ` +
        `the number of ${kind} of this MobileNet V${backbone.version}.`,
    );
  }
  return stem + countable - wanted;
}
