import { outputSide } from '../../backend/wasm/geometry.js';
import { HEAD } from '../../model/head.js';
import type { Backbone, Block, ConvUnit } from '../../model/network.js';
import { featureShape } from '../shapes.js';
import type { NetworkSizes, Residual } from './network-plan.js';

/** A unit on its way through the network. */
export interface PlacedUnit extends Residual {
  readonly unit: ConvUnit;
  /** Height and width of its input. */
  readonly side: number;
  readonly inChannels: number;
  readonly outChannels: number;
}

/** A network's units in sequence, each with the size of its input. */
export interface PlacedNetwork extends NetworkSizes {
  readonly frozen: readonly PlacedUnit[];
  readonly trained: readonly PlacedUnit[];
  /** The linear layer: a convolution of the one pooled pixel. */
  readonly head: PlacedUnit;
}

/** Places the units of a backbone, from the block `firstTrained` on trained, and a head of so many classes. */
export function placeNetwork(
  backbone: Backbone,
  firstTrained: number,
  imageSize: number,
  classes: number,
): PlacedNetwork {
  const { blocks } = backbone;
  const frozen = place(blocks.slice(0, firstTrained), { side: imageSize, channels: 3 });
  const middle = outputOf(frozen) ?? { side: imageSize, channels: 3 };
  const trained = place(blocks.slice(firstTrained), middle);
  const { side, channels } = outputOf(trained) ?? middle;
  const shape = featureShape(backbone, firstTrained, imageSize);
  return {
    frozen,
    trained,
    head: {
      unit: { name: HEAD, kind: 'conv', stride: 1, relu6: false, filterShape: [1, 1, channels, classes] },
      side: 1,
      inChannels: channels,
      outChannels: classes,
      adds: null,
      blockEnd: null,
    },
    imageSize,
    classes,
    positions: side ** 2,
    channels,
    featureShape: shape,
    featureFloats: shape[0] * shape[1] * shape[2],
  };
}

interface MapSize {
  readonly side: number;
  readonly channels: number;
}

function place(blocks: readonly Block[], input: MapSize): PlacedUnit[] {
  const placed: PlacedUnit[] = [];
  let { side, channels } = input;
  for (const { name, units, residual } of blocks) {
    const begin = placed.length;
    const end = begin + units.length - 1;
    for (const unit of units) {
      const at = placed.length;
      // The gradient of a sum is that of both its parts only where no activation stands between; and a unit alone
      // would take the sum's gradient for its own while that is masked for its input.
      if (residual && at === end && (unit.relu6 || begin === end)) {
        throw new Error(`${name} adds its input after an activation, or to the output of a single unit`);
      }
      const outChannels = unit.kind === 'conv' ? unit.filterShape[3] : channels;
      placed.push({
        unit,
        side,
        inChannels: channels,
        outChannels,
        adds: residual && at === end ? begin - 1 : null,
        blockEnd: residual && at === begin ? end : null,
      });
      side = outputSide(side, unit.stride);
      channels = outChannels;
    }
  }
  return placed;
}

function outputOf(units: readonly PlacedUnit[]): MapSize | undefined {
  const last = units.at(-1);
  return last && { side: outputSide(last.side, last.unit.stride), channels: last.outChannels };
}
