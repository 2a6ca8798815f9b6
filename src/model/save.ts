import {
  type Backbone,
  type BatchNormUnit,
  type ConvUnit,
  HEAD,
  type Head,
  outputChannels,
  parameterNames,
  type Parameters,
} from './network.js';

/** The files of a TFJS layers-model by name; whoever owns the folder writes them. */
interface LayersModelFiles {
  readonly 'model.json': string;
  readonly 'weights.bin': Uint8Array;
  /** One class a line, in the order of the outputs. */
  readonly 'labels.txt': string;
}

/**
 * Writes a classifier as an ordinary TFJS layers-model: convolutions with bias or batch norm, ReLU6, global average,
 * dense softmax, float32. Its input is [batch, imageSize, imageSize, 3] in [-1, 1], its output the
 * classes' probabilities. Throws RangeError where an array has not the length that the network gives it.
 */
export function saveLayersModel(classifier: TrainedClassifier): LayersModelFiles {
  const { classNames, imageSize } = classifier;
  const { layers, weights, output } = kerasLayers(classifier);
  const input = layers[0]?.name;
  const model = {
    format: 'layers-model',
    generatedBy: 'onecycle',
    convertedBy: null,
    modelTopology: {
      class_name: 'Model',
      config: { name: 'mobilenet', layers, input_layers: [[input, 0, 0]], output_layers: [[output, 0, 0]] },
      keras_version: 'tfjs-layers 4.22.0',
      backend: 'tensor_flow.js',
    },
    weightsManifest: [
      {
        paths: ['weights.bin'],
        weights: weights.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })),
      },
    ],
    // labels.txt cannot hold a name with a line break; this can.
    userDefinedMetadata: { classNames, imageSize },
  };
  return {
    'model.json': JSON.stringify(model),
    'weights.bin': concatenate(weights),
    'labels.txt': classNames.map((name) => `${name.replaceAll(/[\r\n]+/g, ' ')}\n`).join(''),
  };
}

interface NamedWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

function concatenate(weights: readonly NamedWeight[]): Uint8Array {
  const all = new Float32Array(weights.reduce((sum, { values }) => sum + values.length, 0));
  let offset = 0;
  for (const { name, shape, values } of weights) {
    const expected = shape.reduce((product, length) => product * length, 1);
    if (values.length !== expected) {
      throw new RangeError(
        `${name}: expected ${expected} values for [${shape.join(', ')}], found ${values.length}`,
      );
    }
    all.set(values, offset);
    offset += values.length;
  }
  return new Uint8Array(all.buffer);
}

/** A classifier to write: `imageSize` is the height and width in pixels that it was fine-tuned at. */
export interface TrainedClassifier {
  readonly backbone: Backbone;
  readonly parameters: Parameters;
  readonly head: Head;
  readonly classNames: readonly string[];
  readonly imageSize: number;
}

/**
 * A backbone with the weights that were trained in place of its own, the running statistics of its batch norm, and the head.
 * Throws Error where those of the head or statistics are missing.
 * @param state as checkpoints hold it, by name
 */
export function withTrained(
  { backbone, parameters }: Pick<TrainedClassifier, 'backbone' | 'parameters'>,
  state: {
    readonly weights: ReadonlyMap<string, Float32Array>;
    readonly statistics?: ReadonlyMap<string, Float32Array>;
  },
): Pick<TrainedClassifier, 'backbone' | 'parameters' | 'head'> {
  const trained = new Map([...state.weights, ...(state.statistics ?? [])]);
  const held = (name: string): Float32Array => {
    const values = trained.get(name);
    if (values === undefined) throw new Error(`the checkpoint holds no ${name}`);
    return values;
  };
  // A unit is trained as a whole: its own weights with the statistics of others would be half a network.
  for (const unit of backbone.blocks.flatMap(({ units }) => units)) {
    const names = parameterNames(unit);
    if (names.trained.some((name) => trained.has(name))) names.statistics.forEach(held);
  }
  return {
    backbone,
    parameters: new Map(
      [...parameters].map(([name, { shape, values }]) => [
        name,
        { shape, values: trained.get(name) ?? values },
      ]),
    ),
    head: { kernel: held(`${HEAD}/kernel`), bias: held(`${HEAD}/bias`) },
  };
}

/** A layer as a layers-model's model.json holds it. */
interface KerasLayer {
  readonly name: string;
  readonly class_name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly inbound_nodes: readonly unknown[];
}

/** A classifier's Keras layers, their weights in the same order, and the name of the last layer. */
interface KerasNetwork {
  readonly layers: readonly KerasLayer[];
  readonly weights: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly values: Float32Array;
  }[];
  readonly output: string;
}

/** Spells a classifier as the layers of Keras's MobileNet; where batch norm is folded, convolutions have a bias in its place. */
function kerasLayers({ backbone, parameters, head, classNames, imageSize }: TrainedClassifier): KerasNetwork {
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
      const { name, kind, filterShape, relu6, batchNorm } = unit;
      at = add(name, kind === 'conv' ? 'Conv2D' : 'DepthwiseConv2D', convConfig(unit), at);
      addWeight(
        name,
        kind === 'conv' ? 'kernel' : 'depthwise_kernel',
        filterShape,
        parameter(`${name}/kernel`),
      );
      const channels = [outputChannels(unit)];
      if (batchNorm === undefined) addWeight(name, 'bias', channels, parameter(`${name}/bias`));
      else {
        at = add(unused(`${name}_BN`), 'BatchNormalization', batchNormConfig(batchNorm), at);
        addWeight(at, 'gamma', channels, parameter(`${name}/gamma`));
        addWeight(at, 'beta', channels, parameter(`${name}/beta`));
        addWeight(at, 'moving_mean', channels, parameter(`${name}/mean`));
        addWeight(at, 'moving_variance', channels, parameter(`${name}/variance`));
      }
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

function batchNormConfig({ epsilon, momentum }: BatchNormUnit): object {
  return { axis: -1, momentum, epsilon, center: true, scale: true };
}

function convConfig({ kind, stride, filterShape: [height, width, , out], batchNorm }: ConvUnit): object {
  return {
    ...(kind === 'conv' ? { filters: out } : { depth_multiplier: 1 }),
    kernel_size: [height, width],
    strides: [stride, stride],
    padding: 'same',
    data_format: 'channels_last',
    dilation_rate: [1, 1],
    activation: 'linear',
    use_bias: batchNorm === undefined,
  };
}
