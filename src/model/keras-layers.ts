import type { Head } from './head.js';
import type { Backbone, ConvUnit, Parameters } from './network.js';

/** A classifier to write: `imageSize` is the height and width in pixels that it was fine-tuned at. */
export interface TrainedClassifier {
  readonly backbone: Backbone;
  readonly parameters: Parameters;
  readonly head: Head;
  readonly classNames: readonly string[];
  readonly imageSize: number;
}

/** A layer as a layers-model's model.json holds it. */
export interface KerasLayer {
  readonly name: string;
  readonly class_name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly inbound_nodes: readonly unknown[];
}

/** A classifier's Keras layers, their weights in the same order, and the name of the last layer. */
export interface KerasNetwork {
  readonly layers: readonly KerasLayer[];
  readonly weights: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly values: Float32Array;
  }[];
  readonly output: string;
}

/** Spells a classifier as the layers of Keras's MobileNet, convolutions with bias in place of batch norm. */
export function kerasLayers({
  backbone,
  parameters,
  head,
  classNames,
  imageSize,
}: TrainedClassifier): KerasNetwork {
  const layers: KerasLayer[] = [];
  const weights: KerasNetwork['weights'][number][] = [];
  // Convolutions keep their names, so the others must give way.
  const taken = new Set(backbone.blocks.flatMap((block) => block.units.map((unit) => unit.name)));
  const unused = (name: string): string => {
    while (taken.has(name)) name += '_';
    taken.add(name);
    return name;
  };
  const add = (name: string, className: string, config: object, ...inputs: string[]): string => {
    const inbound = inputs.length === 0 ? [] : [inputs.map((input) => [input, 0, 0, {}])];
    layers.push({ name, class_name: className, config: { name, ...config }, inbound_nodes: inbound });
    return name;
  };
  const addWeight = (layer: string, weight: string, shape: readonly number[], values: Float32Array): void => {
    weights.push({ name: `${layer}/${weight}`, shape, values });
  };
  const parameter = (name: string): Float32Array => {
    const found = parameters.get(name);
    if (found === undefined) throw new RangeError(`parameter ${name} is missing`);
    return found.values;
  };

  const size = [null, imageSize, imageSize, 3];
  let at = add(unused('input_1'), 'InputLayer', { batch_input_shape: size, dtype: 'float32', sparse: false });
  for (const block of backbone.blocks) {
    const start = at;
    for (const unit of block.units) {
      const { name, kind, filterShape, relu6 } = unit;
      at = add(name, kind === 'conv' ? 'Conv2D' : 'DepthwiseConv2D', convConfig(unit), at);
      addWeight(
        name,
        kind === 'conv' ? 'kernel' : 'depthwise_kernel',
        filterShape,
        parameter(`${name}/kernel`),
      );
      addWeight(name, 'bias', [filterShape[kind === 'conv' ? 3 : 2]], parameter(`${name}/bias`));
      if (relu6) at = add(unused(`${name}_relu`), 'ReLU', { max_value: 6 }, at);
    }
    if (block.residual) at = add(unused(`${block.name}_add`), 'Add', {}, start, at);
  }
  const { features } = backbone;
  at = add(unused('global_average'), 'GlobalAveragePooling2D', { data_format: 'channels_last' }, at);
  const dense = { units: classNames.length, activation: 'softmax', use_bias: true };
  const output = add(unused('predictions'), 'Dense', dense, at);
  addWeight(output, 'kernel', [features, classNames.length], head.kernel);
  addWeight(output, 'bias', [classNames.length], head.bias);
  return { layers, weights, output };
}

function convConfig({ kind, stride, filterShape: [height, width, , out] }: ConvUnit): object {
  return {
    ...(kind === 'conv' ? { filters: out } : { depth_multiplier: 1 }),
    kernel_size: [height, width],
    strides: [stride, stride],
    padding: 'same',
    data_format: 'channels_last',
    dilation_rate: [1, 1],
    activation: 'linear',
    use_bias: true,
  };
}
