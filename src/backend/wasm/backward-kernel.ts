import { util, type KernelFunc } from '@tensorflow/tfjs-core';
import { activationLimits, convInfo, isOurs, prepare, readAttributes } from './conv-arguments.js';
import type { Heap } from './heap.js';

/**
 * All gradients of a fused convolution in one pass over its output: { x, y, dy, filter }, the attributes of the
 * forward kernel, kind: 'conv' | 'depthwise' and needInput: boolean -> [dFilter, dBias], and dx where it is needed.
 */
export const ConvBackward = 'ConvBackward';

/** The kernel of that name; for float32, NHWC, dilation 1 and the activations linear, relu and relu6. */
export function convBackwardKernel(heap: Heap): KernelFunc {
  return (args) => {
    const { x, y, dy, filter } = args.inputs;
    const attributes = readAttributes(args);
    const activation = attributes.activation ?? 'linear';
    const ceiling = activationLimits[activation]?.[1];
    if (!x || !y || !dy || !filter || ceiling === undefined || !isOurs(attributes, x, y, dy, filter)) {
      throw new Error(`${ConvBackward} wants x, y, dy and filter: float32, NHWC, dilation 1, up to ReLU6.`);
    }
    const kind = args.attrs?.['kind'] === 'depthwise' ? 'depthwise' : 'conv';
    const info = convInfo(x.shape, filter.shape, attributes, kind);
    util.assertShapesMatch(y.shape, info.outShape);
    util.assertShapesMatch(dy.shape, info.outShape);
    const dFilter = heap.output(filter.shape);
    const dBias = heap.output([info.outChannels]);
    const dx = args.attrs?.['needInput'] === true ? heap.output(x.shape) : undefined;
    const [geometry, scratch] = prepare(heap, info, kind);
    const run = kind === 'conv' ? heap.kernels.convBackward : heap.kernels.depthwiseBackward;
    run(
      geometry,
      heap.address(x),
      activation === 'linear' ? 0 : heap.address(y),
      heap.address(dy),
      heap.address(filter),
      dx ? heap.address(dx) : 0,
      heap.address(dFilter),
      heap.address(dBias),
      scratch,
      ceiling,
    );
    return dx ? [dFilter, dBias, dx] : [dFilter, dBias];
  };
}
