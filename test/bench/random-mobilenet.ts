import type { Backbone, Block, ConvUnit, Parameters } from '../../src/model/network.js';
import { randomStream } from '../../src/random.js';

/** Expansion, channels, repeats and stride of MobileNetV2's stages (arXiv 1801.04381, table 2). */
const STAGES = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/** A MobileNetV2 of any width with random weights: for speed alone the weights do not matter. */
export function randomMobileNetV2(alpha: number): { backbone: Backbone; parameters: Parameters } {
  const stem = divisible(32 * alpha);
  const blocks: Block[] = [{ name: 'stem', residual: false, units: [conv('stem', 3, stem, 3, 2, true)] }];
  let channels = stem;
  for (const [expansion, width, repeats, stride] of STAGES) {
    const out = divisible(width * alpha);
    for (let i = 0; i < repeats; i++) {
      blocks.push(
        invertedResidual(`block_${blocks.length - 1}`, channels, out, expansion, i === 0 ? stride : 1),
      );
      channels = out;
    }
  }
  const features = alpha > 1 ? divisible(1280 * alpha) : 1280;
  blocks.push({ name: 'last', residual: false, units: [conv('last', channels, features, 1, 1, true)] });
  return {
    backbone: { version: 2, alpha, trainedSize: 224, blocks, features },
    parameters: randomParameters(blocks),
  };
}

/** The same with batch norm in training mode after every convolution, in place of the biases. */
export function withBatchNorm({ backbone, parameters }: ReturnType<typeof randomMobileNetV2>): {
  backbone: Backbone;
  parameters: Parameters;
} {
  const others = new Map(parameters);
  const normalized = (unit: ConvUnit): ConvUnit => {
    const length = parameters.get(`${unit.name}/bias`)?.values.length ?? 0;
    others.delete(`${unit.name}/bias`);
    for (const [part, value] of Object.entries({ gamma: 1, beta: 0, mean: 0, variance: 1 })) {
      others.set(`${unit.name}/${part}`, { shape: [length], values: new Float32Array(length).fill(value) });
    }
    return { ...unit, batchNorm: { epsilon: 1e-3, momentum: 0.9 } };
  };
  const blocks = backbone.blocks.map((block) => ({ ...block, units: block.units.map(normalized) }));
  return { backbone: { ...backbone, blocks }, parameters: others };
}

function divisible(value: number): number {
  const rounded = Math.max(8, Math.floor((value + 4) / 8) * 8);
  return rounded < 0.9 * value ? rounded + 8 : rounded;
}

function conv(
  name: string,
  from: number,
  to: number,
  kernel: number,
  stride: 1 | 2,
  relu6: boolean,
): ConvUnit {
  return { name, kind: 'conv', stride, relu6, filterShape: [kernel, kernel, from, to] };
}

function invertedResidual(name: string, from: number, to: number, expansion: number, stride: 1 | 2): Block {
  const wide = from * expansion;
  const depthwise: ConvUnit = {
    name: `${name}/depthwise`,
    kind: 'depthwise',
    stride,
    relu6: true,
    filterShape: [3, 3, wide, 1],
  };
  const units = [depthwise, conv(`${name}/project`, wide, to, 1, 1, false)];
  if (expansion > 1) units.unshift(conv(`${name}/expand`, from, wide, 1, 1, true));
  return { name, units, residual: stride === 1 && from === to };
}

function randomParameters(blocks: readonly Block[]): Parameters {
  const parameters = new Map<string, { shape: readonly number[]; values: Float32Array }>();
  for (const { name, kind, filterShape } of blocks.flatMap(({ units }) => units)) {
    const [kh, kw, from, to] = filterShape;
    const fanIn = kind === 'conv' ? kh * kw * from : kh * kw;
    const stream = randomStream(0, name);
    // Uniform of variance 2 / fan-in, so that activations neither vanish nor explode.
    const bound = Math.sqrt(6 / fanIn);
    const values = Float32Array.from(
      { length: kh * kw * from * to },
      () => (2 * stream.uniform() - 1) * bound,
    );
    parameters.set(`${name}/kernel`, { shape: filterShape, values });
    const channels = kind === 'conv' ? to : from;
    parameters.set(`${name}/bias`, { shape: [channels], values: new Float32Array(channels) });
  }
  return parameters;
}
