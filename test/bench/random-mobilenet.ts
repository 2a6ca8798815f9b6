import { freshNetwork } from '../../src/model/load/backbone.js';
import { type Backbone, outputChannels, type Parameters } from '../../src/model/network.js';

/** A MobileNetV2 of any width with random weights and batch norm: for speed alone the weights do not matter. */
export function randomMobileNetV2(alpha: number): { backbone: Backbone; parameters: Parameters } {
  return freshNetwork(alpha, 0);
}

/** The same as it would be with batch norm folded: a bias, here of zeros, in its place. */
export function foldedMobileNetV2(alpha: number): { backbone: Backbone; parameters: Parameters } {
  const { backbone, parameters } = randomMobileNetV2(alpha);
  const folded = new Map<string, { shape: readonly number[]; values: Float32Array }>();
  const blocks = backbone.blocks.map((block) => ({
    ...block,
    units: block.units.map(({ batchNorm: _, ...unit }) => {
      const kernel = parameters.get(`${unit.name}/kernel`);
      const channels = outputChannels(unit);
      if (kernel !== undefined) folded.set(`${unit.name}/kernel`, kernel);
      folded.set(`${unit.name}/bias`, { shape: [channels], values: new Float32Array(channels) });
      return unit;
    }),
  }));
  return { backbone: { ...backbone, blocks }, parameters: folded };
}
