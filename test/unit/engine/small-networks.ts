import type { NetworkSetup } from '../../../src/engine/params.js';
import type { Backbone, Block, ConvUnit, Head, Parameters } from '../../../src/model/network.js';
import { randomStream } from '../../../src/random.js';

type Filter = readonly [number, number, number, number];

const conv = (name: string, filterShape: Filter, stride: 1 | 2, relu6: boolean): ConvUnit => ({
  name,
  kind: 'conv',
  stride,
  relu6,
  filterShape,
});

const depthwise = (name: string, channels: number, stride: 1 | 2): ConvUnit => ({
  name,
  kind: 'depthwise',
  stride,
  relu6: true,
  filterShape: [3, 3, channels, 1],
});

/** An inverted residual of V2: expand, depthwise, project without an activation. */
function inverted(name: string, from: number, to: number, stride: 1 | 2, expansion = 2): Block {
  const wide = expansion * from;
  const units = [
    conv(`${name}/expand`, [1, 1, from, wide], 1, true),
    depthwise(`${name}/depthwise`, wide, stride),
    conv(`${name}/project`, [1, 1, wide, to], 1, false),
  ];
  return { name, units, residual: stride === 1 && from === to };
}

/** A depthwise-separable block of V1: depthwise, then pointwise, both with ReLU6. */
function separable(name: string, from: number, to: number, stride: 1 | 2): Block {
  const units = [
    depthwise(`${name}/depthwise`, from, stride),
    conv(`${name}/pointwise`, [1, 1, from, to], 1, true),
  ];
  return { name, units, residual: false };
}

const stem: Block = { name: 'stem', units: [conv('stem/conv', [3, 3, 3, 6], 2, true)], residual: false };
const last: Block = { name: 'last', units: [conv('last/conv', [1, 1, 10, 14], 1, true)], residual: false };

/** The first block of V2, which does not expand: at a quarter of the width its input, an activation, is added to it. */
const narrow: Block = {
  name: 'a',
  units: [depthwise('a/depthwise', 6, 1), conv('a/project', [1, 1, 6, 6], 1, false)],
  residual: true,
};

/** A block with other numbers of channels in place of some. */
function withSizes(block: Block, sizes: Readonly<Record<number, number>>): Block {
  const units = block.units.map((unit) => {
    const [height, width, from, to] = unit.filterShape.map((size) => sizes[size] ?? size);
    return { ...unit, filterShape: [height!, width!, from!, to!] as const };
  });
  return { ...block, units };
}

/** MobileNets of a few channels with every kind of block that the real ones have. */
export const NETWORKS: Readonly<
  Record<'V1' | 'V2' | 'wide V2' | 'sixfold V2' | 'narrow V2' | 'narrow V2 of 8 channels', Backbone>
> = {
  V1: {
    version: 1,
    alpha: 1,
    trainedSize: 16,
    blocks: [stem, separable('a', 6, 9, 1), separable('b', 9, 12, 2), separable('c', 12, 14, 1)],
    features: 14,
  },
  V2: {
    version: 2,
    alpha: 1,
    trainedSize: 16,
    blocks: [stem, inverted('a', 6, 6, 1), inverted('b', 6, 10, 2), inverted('c', 10, 10, 1), last],
    features: 14,
  },
  // More channels than are computed anew.
  'wide V2': {
    version: 2,
    alpha: 1,
    trainedSize: 16,
    blocks: [
      withSizes(stem, { 6: 20 }),
      inverted('a', 20, 20, 1),
      inverted('b', 20, 24, 2),
      withSizes(last, { 10: 24 }),
    ],
    features: 14,
  },
  // As much wider inside as the real ones.
  'sixfold V2': {
    version: 2,
    alpha: 1,
    trainedSize: 16,
    blocks: [withSizes(stem, { 6: 8 }), inverted('a', 8, 8, 1, 6), inverted('b', 8, 10, 2, 6), last],
    features: 14,
  },
  'narrow V2': {
    version: 2,
    alpha: 0.25,
    trainedSize: 16,
    blocks: [stem, narrow, inverted('b', 6, 10, 2), last],
    features: 14,
  },
  // Channels in whole vectors, for which depthwise convolutions have kernels of their own.
  'narrow V2 of 8 channels': {
    version: 2,
    alpha: 0.25,
    trainedSize: 16,
    blocks: [stem, narrow, inverted('b', 6, 10, 2), last].map((block) => withSizes(block, { 6: 8 })),
    features: 14,
  },
};

/** Uniform weights, large enough for some outputs to reach both ends of ReLU6. */
export function randomParameters(backbone: Backbone, seed = 1): Parameters {
  const stream = randomStream(seed, 'parameters');
  const uniform = (length: number, bound: number) =>
    Float32Array.from({ length }, () => (2 * stream.uniform() - 1) * bound);
  const parameters = new Map<string, { shape: readonly number[]; values: Float32Array }>();
  for (const { name, kind, filterShape } of backbone.blocks.flatMap(({ units }) => units)) {
    const [height, width, from, to] = filterShape;
    const fanIn = height * width * (kind === 'conv' ? from : 1);
    const channels = kind === 'conv' ? to : from;
    const kernel = uniform(height * width * from * to, 3.5 / Math.sqrt(fanIn));
    parameters.set(`${name}/kernel`, { shape: filterShape, values: kernel });
    parameters.set(`${name}/bias`, { shape: [channels], values: uniform(channels, 0.5) });
  }
  return parameters;
}

/** A head with a random bias, so that an unused one shows. */
export function randomHead(features: number, classes: number, seed = 1): Head {
  const stream = randomStream(seed, 'random-head');
  const draw = (length: number) => Float32Array.from({ length }, () => 2 * stream.uniform() - 1);
  return { kernel: draw(features * classes), bias: draw(classes) };
}

/** One of the small networks with 3 classes. */
export function smallSetup(
  network: keyof typeof NETWORKS,
  firstTrained: number,
  imageSize = 16,
): NetworkSetup {
  const backbone = NETWORKS[network];
  return {
    backbone,
    parameters: randomParameters(backbone),
    head: randomHead(backbone.features, 3),
    firstTrained,
    imageSize,
    labelSmoothing: 0.1,
    weightDecay: 1e-2,
    headLrMultiplier: 10,
  };
}

/** Which of the trained units have batch norm, the others having a bias. */
export type Normalized = 'all' | 'every second';

/** The same with batch norm in training mode in the trained part; some outputs reach both ends of ReLU6 there too. */
export function normalizedSetup(
  network: keyof typeof NETWORKS,
  firstTrained: number,
  imageSize = 16,
  normalized: Normalized = 'all',
): NetworkSetup {
  const setup = smallSetup(network, firstTrained, imageSize);
  const parameters = new Map(setup.parameters);
  const stream = randomStream(2, 'batch-norm');
  let count = 0;
  const blocks = setup.backbone.blocks.map((block, index) => ({
    ...block,
    units: block.units.map((unit): ConvUnit => {
      if (index < firstTrained || (count++ % 2 === 1 && normalized === 'every second')) return unit;
      const { name } = unit;
      const length = parameters.get(`${name}/bias`)!.values.length;
      parameters.delete(`${name}/bias`);
      const put = (part: string, low: number, high: number) => {
        const values = Float32Array.from({ length }, () => low + (high - low) * stream.uniform());
        parameters.set(`${name}/${part}`, { shape: [length], values });
      };
      put('gamma', 0.5, 2.5);
      put('beta', -0.5, 3);
      put('mean', -0.5, 0.5);
      put('variance', 0.5, 2);
      return { ...unit, batchNorm: { epsilon: 1e-3, momentum: 0.9 } };
    }),
  }));
  return { ...setup, backbone: { ...setup.backbone, blocks }, parameters };
}

/** The parameters of a unit that gradients change, in the order of the records. */
export function trainedNames({ name, batchNorm }: ConvUnit): string[] {
  const parts = batchNorm === undefined ? ['kernel', 'bias'] : ['kernel', 'gamma', 'beta'];
  return parts.map((part) => `${name}/${part}`);
}
