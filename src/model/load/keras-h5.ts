import { messageOf, UsageError } from '../../errors.js';
import { parseJson } from '../../files.js';
import { type Backbone, type ConvUnit, freshBackbone, mobileNetV1 } from '../network.js';
import type { LayerNode } from './graph.js';
import { type H5File, type StoredTensor } from './h5-file.js';
import { layersOf } from './layers.js';
import { MAX_WEIGHT_BYTES, type WeightTensor } from './weight-files.js';

/** What a file of Keras holds. */
export interface KerasModel {
  /** What it says of itself, or else the names of its layers: where it is no MobileNet, what it is may be read there. */
  readonly said: string;
  readonly layers: readonly LayerNode[];
  /** Throws UsageError, naming the weight, where one is not as the file declares it, or all together are too large. */
  readonly readWeights: () => ReadonlyMap<string, WeightTensor>;
}

/**
 * A model as Keras's `model.save('x.h5')` writes it (attribute model_config, group model_weights), or weights alone, as those of
 * Keras Applications are (attribute layer_names). Weights alone say nothing of their network: it is read off their names and shapes.
 * Throws UsageError where the file is neither.
 * @param trainedSize pixels a side that weights alone were trained at
 */
export function readKerasH5(file: H5File, trainedSize: number): KerasModel {
  const config = file.text('', 'model_config');
  if (config !== undefined) {
    const layers = layersOf(parsedConfig(config, 'model_config'));
    const names = new Set(layers.map(({ name }) => name));
    return {
      said: config,
      layers,
      readWeights: () => weightsOfModel(storedGroups(file, 'model_weights'), names),
    };
  }
  if (file.texts('', 'layer_names') === undefined) throw new UsageError(otherContents(file));
  const groups = storedGroups(file, '');
  const network = recognize(layersIn(groups), trainedSize);
  return { ...network, said: groups.map(({ name }) => `"name": "${name}"`).join() };
}

/** Throws UsageError where a network's description is no JSON. */
export function parsedConfig(config: string, name: string): unknown {
  try {
    return parseJson(config);
  } catch (error) {
    throw new UsageError(`its ${name} is no JSON: ${messageOf(error)}`);
  }
}

function otherContents(file: H5File): string {
  if (file.hasGroup('layers') || file.hasGroup('_layer_checkpoint_dependencies')) {
    return (
      'it holds weights alone, as save_weights of Keras 3 writes them, in which layers have numbers and no names. ' +
      "Save the whole model in Keras, model.save('model.keras'), and give that file"
    );
  }
  return `it is HDF5, but no file of Keras: it has neither the attribute model_config nor layer_names, and holds ${file.namesIn('').slice(0, 5).join(', ') || 'nothing'}`;
}

/** A weight as a file holds it, under its full name: `model/layer/kernel`. */
export interface StoredWeight {
  readonly name: string;
  readonly tensor: StoredTensor;
}

/** What Keras writes for one member of a model's list of layers: a layer's weights, or all those of a nested model. */
interface StoredGroup {
  readonly name: string;
  readonly weights: readonly StoredWeight[];
}

/** More layers than any network has, and their weights. */
const MOST_NAMES = 100_000;

/** Throws UsageError where the file has not what its own lists name. */
function storedGroups(file: H5File, root: string): StoredGroup[] {
  const names = file.texts(root, 'layer_names');
  if (names === undefined) throw new UsageError(`its group ${root} has no attribute layer_names`);
  let count = 0;
  return names.map((name) => {
    const path = [root, name].filter((part) => part !== '').join('/');
    const listed = file.texts(path, 'weight_names') ?? [];
    count += listed.length + 1;
    if (count > MOST_NAMES) throw new UsageError(`it lists more than ${MOST_NAMES} layers and weights`);
    const weights = listed.map((weight): StoredWeight => {
      const tensor = file.tensor(`${path}/${weight}`);
      if (tensor === undefined) {
        throw new UsageError(`weight «${weight}» of layer «${name}» is missing: it is listed, and not there`);
      }
      return { name: weight.replace(/:\d+$/u, ''), tensor };
    });
    return { name, weights };
  });
}

/** @param leaves names of the layers that are no models */
function weightsOfModel(
  groups: readonly StoredGroup[],
  leaves: ReadonlySet<string>,
): ReadonlyMap<string, WeightTensor> {
  // TensorFlow counts scopes on, so that the layer «conv1» may have the weight «conv1_1/kernel».
  const named = groups.flatMap(({ name: group, weights }) =>
    weights.map(({ name, tensor }) => ({
      name: `${group}/${leaves.has(group) ? lastOf(name) : name}`,
      tensor,
    })),
  );
  return readAll(named);
}

/**
 * Reads all tensors of float32. Others, such as counters, are passed over: a kernel that is one of them is missing.
 * Throws UsageError where all together are too large, before the first is read.
 */
export function readAll(weights: readonly StoredWeight[]): ReadonlyMap<string, WeightTensor> {
  const bytes = weights.reduce((sum, { tensor: { shape } }) => sum + 4 * sizeOf(shape), 0);
  if (bytes > MAX_WEIGHT_BYTES) {
    throw new UsageError(
      `its weights are declared to have ${bytes} bytes; at most ${MAX_WEIGHT_BYTES} are read`,
    );
  }
  const read = new Map<string, WeightTensor>();
  for (const { name, tensor } of weights) {
    const { shape, dtype } = tensor;
    if (read.has(name)) throw new UsageError(`weight «${name}» is there twice`);
    if (shape.length === 0 || dtype.startsWith('<')) continue;
    if (dtype !== 'float32') throw new UsageError(`weight «${name}»: expected float32, found ${dtype}`);
    const values = tensor.read();
    if (values.length !== sizeOf(shape)) {
      throw new UsageError(
        `weight «${name}» has ${values.length} values for the shape [${shape.join(', ')}]`,
      );
    }
    read.set(name, { shape, values });
  }
  return read;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

function lastOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

/** A layer with its weights by their own names: kernel, gamma and so on. */
interface StoredLayer {
  readonly name: string;
  readonly weights: ReadonlyMap<string, StoredTensor>;
}

/** The layers that have weights, in the order of the file, those of nested models too. */
function layersIn(groups: readonly StoredGroup[]): StoredLayer[] {
  const layers = new Map<string, Map<string, StoredTensor>>();
  for (const { name: group, weights } of groups) {
    const prefixes = new Set(weights.map(({ name }) => name.slice(0, -lastOf(name).length - 1)));
    for (const { name, tensor } of weights) {
      const own = lastOf(name);
      const layer = prefixes.size === 1 ? group : lastOf(name.slice(0, -own.length - 1));
      const found = layers.get(layer) ?? new Map<string, StoredTensor>();
      if (found.has(own)) throw new UsageError(`weight «${layer}/${own}» is there twice`);
      layers.set(layer, found.set(own, tensor));
    }
  }
  return [...layers].map(([name, weights]) => ({ name, weights }));
}

/** Widths that are tried: those that weights are published for, then all others of two decimals. */
const ALPHAS = [1, 0.75, 0.5, 0.35, 0.25, 1.3, 1.4, ...Array.from({ length: 200 }, (_, i) => (i + 1) / 100)];

/** As Keras Applications has them; in a file of weights alone nothing is said of it. */
const NORMS = {
  1: { epsilon: 1e-3, momentum: 0.99 },
  2: { epsilon: 1e-3, momentum: 0.999 },
} as const;

/**
 * The MobileNet that these layers are, each with its batch norm, and what stands behind them. Throws UsageError where they are of
 * another network.
 */
function recognize(
  layers: readonly StoredLayer[],
  trainedSize: number,
): Pick<KerasModel, 'layers' | 'readWeights'> {
  const depthwise = layers.filter((layer) => kindOf(layer) === 'depthwise').length;
  const plans = { 13: mobileNetV1, 17: freshBackbone };
  const plan = depthwise === 13 || depthwise === 17 ? plans[depthwise] : undefined;
  if (plan === undefined) {
    const some = layers.slice(0, 5).map(({ name }) => name);
    const excites = layers.some(({ name }) => /squeeze_excite|_se_/u.test(name));
    throw new UsageError(
      `expected the weights of 13 depthwise convolutions, which a MobileNet V1 has, or of 17, which a V2 has, found ${depthwise} ` +
        `(its first layers are ${some.join(', ')}${excites ? '; it squeezes and excites, as a MobileNet V3 or an EfficientNet does' : ''})`,
    );
  }
  const pairs = pairUp(unitsOf(plan(1)), layers);
  const fitting = (backbone: Backbone) =>
    unitsOf(backbone).filter(({ filterShape }, i) => {
      const kernel = pairs[i]?.conv && kernelOf(pairs[i].conv);
      return JSON.stringify(kernel?.shape) === JSON.stringify(filterShape);
    }).length;
  // One damaged kernel must not make all others wrong.
  const backbone = ALPHAS.map(plan).reduce((best, other) => (fitting(other) > fitting(best) ? other : best));
  const paired = new Set(pairs.flatMap(({ conv, norm }) => [conv, norm]));
  const others = layers.filter((layer) => !paired.has(layer));
  return {
    layers: [
      ...networkLayers({ ...backbone, trainedSize }, pairs),
      ...others.map(({ name }) => node(beside(name), 'Dense', {})),
    ],
    readWeights: () =>
      readAll([
        ...unitsOf(backbone).flatMap(({ name }, i) => [
          ...named(pairs[i]?.conv, name),
          ...named(pairs[i]?.norm, normName(name)),
        ]),
        ...others.flatMap((layer) => named(layer, beside(layer.name))),
      ]),
  };
}

/** What a layer of no concern is called, so that none has the name of one of the network's. */
function beside(name: string): string {
  return `beside ${name.replaceAll('/', ' ')}`;
}

function named(layer: StoredLayer | undefined, name: string): StoredWeight[] {
  return [...(layer?.weights ?? [])].map(([own, tensor]) => ({ name: `${name}/${own}`, tensor }));
}

function unitsOf({ blocks }: Backbone): ConvUnit[] {
  return blocks.flatMap(({ units }) => units);
}

/** A unit's layers in the file; undefined where there is none. */
interface Pair {
  readonly conv: StoredLayer | undefined;
  readonly norm: StoredLayer | undefined;
}

/**
 * Finds each unit's layers: by their names where most are those of Keras Applications, else by their order, as Keras itself does.
 * Its published files are older than its names. Throws UsageError where the order is another one.
 */
function pairUp(units: readonly ConvUnit[], layers: readonly StoredLayer[]): Pair[] {
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  const known = units.filter(({ name }) => byName.has(name)).length;
  if (2 * known > units.length) {
    return units.map(({ name }) => ({ conv: byName.get(name), norm: byName.get(normName(name)) }));
  }
  let at = 0;
  return units.map(({ name, kind }) => {
    const conv = layers[at++];
    if (conv === undefined || kindOf(conv) !== kind) {
      const what = kind === 'depthwise' ? 'a depthwise convolution' : 'a convolution';
      const before = layers[at - 2];
      throw new UsageError(
        `expected the weights of ${what} («${name}» in Keras Applications) ${before === undefined ? 'first' : `after «${before.name}»`}, found ` +
          (conv === undefined ? 'no more' : `«${conv.name}» with ${[...conv.weights.keys()].join(', ')}`),
      );
    }
    const norm = layers[at]?.weights.has('moving_variance') === true ? layers[at++] : undefined;
    return { conv, norm };
  });
}

function kernelOf({ weights }: StoredLayer): StoredTensor | undefined {
  return weights.get('depthwise_kernel') ?? weights.get('kernel');
}

/** A layer's kind by its kernel's shape, since Keras 3 calls both kinds of kernels alike. */
function kindOf(layer: StoredLayer): ConvUnit['kind'] | undefined {
  const [, , inputs = 0, outputs, ...more] = kernelOf(layer)?.shape ?? [];
  if (outputs === undefined || more.length > 0) return undefined;
  return outputs === 1 && inputs > 1 ? 'depthwise' : 'conv';
}

/** What Keras Applications calls the batch norm of a convolution. */
function normName(name: string): string {
  if (name === 'Conv1') return 'bn_Conv1';
  if (name === 'Conv_1') return 'Conv_1_bn';
  return /^conv(1|_[dp]w_\d+)$/u.test(name) ? `${name}_bn` : `${name}_BN`;
}

/** A backbone as the layers of Keras. */
function networkLayers(backbone: Backbone, pairs: readonly Pair[]): LayerNode[] {
  const { trainedSize: size, version } = backbone;
  const nodes = [node('input_1', 'InputLayer', { batch_input_shape: [null, size, size, 3] })];
  let at = 'input_1';
  const add = (name: string, className: string, config: LayerNode['config'], ...more: string[]) => {
    nodes.push(node(name, className, config, at, ...more));
    at = name;
  };
  let unitIndex = 0;
  for (const block of backbone.blocks) {
    const start = at;
    for (const { name, kind, filterShape, stride, relu6 } of block.units) {
      const { conv, norm } = pairs[unitIndex++] ?? {};
      const [height, width, , filters] = filterShape;
      const bias = conv?.weights.has('bias') === true;
      add(name, kind === 'conv' ? 'Conv2D' : 'DepthwiseConv2D', {
        ...(kind === 'conv' && { filters }),
        ...{ kernel_size: [height, width], strides: [stride, stride], padding: 'same' },
        ...{ use_bias: bias, activation: 'linear' },
      });
      // Without a bias there was batch norm, and where its weights are missing, that has to be said.
      if (norm !== undefined || !bias) add(normName(name), 'BatchNormalization', NORMS[version]);
      if (relu6) add(`${name}_relu`, 'ReLU', { max_value: 6 });
    }
    if (block.residual) add(`${block.name}_add`, 'Add', {}, start);
  }
  return nodes;
}

function node(name: string, className: string, config: LayerNode['config'], ...inputs: string[]): LayerNode {
  return { name, className, config, inputs, numbers: [] };
}
