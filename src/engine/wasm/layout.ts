import { type Backbone, type Block, type ConvUnit, HEAD } from '../../model/network.js';
import { type NetworkSetup, termsOf } from '../params.js';
import { featureShape, outputSide, panelColumns, writeGeometry } from '../shapes.js';
import type { TrainingKernels } from './compile-kernels.js';
import { floatsAt, type Heap } from './heap.js';
import { imageTableBytes } from './input-area.js';
import { BOARD_BYTES } from './job-board.js';
import type {
  ArenaPlan,
  NetworkPlan,
  NetworkSizes,
  ParameterPlan,
  Residual,
  TrainedUnitPlan,
  UnitPlan,
} from './network-plan.js';

/** Slices whose gradients are held at a time. Those of a larger batch are summed in rounds, in the same order. */
const MOST_ROWS = 32;
/** Evaluations come in batches of this many. */
const LEAST_CAPACITY = 64;

/** How a network is used. */
export interface Layout {
  readonly sliceSize: number;
  readonly batchSize: number;
  readonly threads: number;
}

/** Lays a network out on a fresh heap and writes its weights; they are not packed yet. */
export function layOutNetwork(
  heap: Heap,
  kernels: TrainingKernels,
  setup: NetworkSetup,
  { sliceSize, batchSize, threads }: Layout,
): NetworkPlan {
  const network = placeNetwork(setup.backbone, setup.firstTrained, setup.imageSize, setup.head.bias.length);
  const board = heap.allocate(BOARD_BYTES);
  const parameterFloats = countParameters(network, setup);
  const weights = heap.allocateFloats(parameterFloats);
  let offset = 0;
  const placeParameter = (name: string): ParameterPlan => {
    const values = given(setup, name);
    const parameter = { name, offset, length: values.length, ...termsOf(name, setup) };
    writeFloats(heap, weights + offset * 4, values);
    offset += values.length;
    return parameter;
  };
  const planTrained = (placed: PlacedUnit, needInput: boolean): TrainedUnitPlan => {
    const kernel = placeParameter(`${placed.unit.name}/kernel`);
    const bias = placeParameter(`${placed.unit.name}/bias`);
    const addresses = [kernel, bias].map((parameter) => weights + parameter.offset * 4) as [number, number];
    return { ...planUnit(heap, placed, ...addresses, needInput), parameters: [kernel, bias] };
  };
  // Nothing before the first trained unit needs a gradient.
  const trained = network.trained.map((unit, i) => planTrained(unit, i > 0));
  const head = planTrained(network.head, trained.length > 0);
  const units = { frozen: network.frozen.map((unit) => planFrozen(heap, unit, setup)), trained, head };
  const { imageSize, classes, positions, channels, featureShape, featureFloats } = network;
  const capacity = Math.ceil(Math.max(batchSize, LEAST_CAPACITY) / sliceSize) * sliceSize;
  const rowCount = Math.min(Math.ceil(batchSize / sliceSize), MOST_ROWS);
  const scratch = scratchBytes(kernels, units, imageSize);
  return {
    sliceSize,
    batchSize,
    capacity,
    imageSize,
    classes,
    positions,
    channels,
    featureShape,
    featureFloats,
    labelSmoothing: setup.labelSmoothing,
    ...units,
    parameterFloats,
    weights,
    velocities: heap.allocateFloats(parameterFloats),
    rows: heap.allocateFloats(rowCount * parameterFloats),
    rowCount,
    zeros: heap.allocateFloats(zeroFloats(network)),
    board,
    losses: heap.allocate((capacity / sliceSize) * Float64Array.BYTES_PER_ELEMENT),
    usedRates: heap.allocate((trained.length + 1) * 2 * Float64Array.BYTES_PER_ELEMENT),
    labels: heap.allocate(capacity * Int32Array.BYTES_PER_ELEMENT),
    imageTable: heap.allocate(imageTableBytes(capacity)),
    arenas: Array.from({ length: threads }, () => {
      const floats = (count: number) => heap.allocateFloats(sliceSize * count);
      return layOutArena(floats, heap.allocate(scratch), units, network);
    }),
  };
}

type Units = Pick<NetworkPlan, 'frozen' | 'trained' | 'head'>;

/** @param floats the address of so many floats for each image of a slice */
function layOutArena(
  floats: (count: number) => number,
  scratch: number,
  { frozen, trained, head }: Units,
  { imageSize, channels, featureFloats }: NetworkSizes,
): ArenaPlan {
  const images = floats(imageSize ** 2 * 3);
  return {
    images,
    features: frozen.length === 0 ? images : floats(featureFloats),
    frozen: frozenBuffers(frozen, floats),
    trained: trained.map(({ outFloats }) => floats(outFloats)),
    pooled: floats(channels),
    logits: floats(head.outChannels),
    scratch,
  };
}

/**
 * Addresses for the frozen units' outputs. Three buffers are enough for all: an output must overwrite neither its unit's input nor
 * the block's input that is still to be added.
 */
function frozenBuffers(frozen: readonly UnitPlan[], floats: (count: number) => number): number[] {
  const largest = Math.max(0, ...frozen.map(({ outFloats }) => outFloats));
  const buffers = Array.from({ length: Math.min(3, frozen.length) }, () => floats(largest));
  const outs: number[] = [];
  let kept = -1;
  frozen.forEach(({ blockEnd }, i) => {
    if (blockEnd !== null) kept = i - 1;
    const taken = [outs[i - 1], outs[kept]];
    outs.push(buffers.find((buffer) => !taken.includes(buffer)) ?? 0);
  });
  return outs;
}

function scratchBytes(kernels: TrainingKernels, { frozen, trained, head }: Units, imageSize: number): number {
  const convolutions = [...frozen, ...trained, head].filter(({ kind }) => kind === 'conv');
  return Math.max(
    kernels.imageInputScratchBytes(imageSize),
    ...convolutions.map(({ geometry }) => kernels.convScratchBytes(geometry)),
  );
}

/** As many as the longest row of an input has floats. */
function zeroFloats({ frozen, trained, head }: PlacedNetwork): number {
  const rows = [...frozen, ...trained, head].map(({ side, inChannels }) => side * panelColumns(inChannels));
  return Math.max(...rows);
}

function countParameters({ trained, head }: PlacedNetwork, setup: NetworkSetup): number {
  return [...trained, head]
    .flatMap(({ unit: { name } }) => [given(setup, `${name}/kernel`), given(setup, `${name}/bias`)])
    .reduce((sum, { length }) => sum + length, 0);
}

function given({ parameters, head }: NetworkSetup, name: string): Float32Array {
  if (name === `${HEAD}/kernel`) return head.kernel;
  if (name === `${HEAD}/bias`) return head.bias;
  const parameter = parameters.get(name);
  if (parameter === undefined) throw new Error(`the weights hold no parameter ${name}`);
  return parameter.values;
}

function writeFloats({ memory }: Heap, address: number, values: Float32Array): void {
  floatsAt(memory, address, values.length).set(values);
}

function planFrozen(heap: Heap, placed: PlacedUnit, setup: NetworkSetup): UnitPlan {
  const load = (part: string): number => {
    const values = given(setup, `${placed.unit.name}/${part}`);
    const address = heap.allocateFloats(values.length);
    writeFloats(heap, address, values);
    return address;
  };
  return planUnit(heap, placed, load('kernel'), load('bias'), false);
}

function planUnit(
  heap: Heap,
  { unit, side, inChannels, outChannels, adds, blockEnd }: PlacedUnit,
  kernel: number,
  bias: number,
  needInput: boolean,
): UnitPlan {
  const { kind, stride, relu6, filterShape } = unit;
  const [height, width] = filterShape;
  if (kind === 'conv' && needInput && height * width * stride !== 1) {
    throw new Error(`${unit.name}: only a pointwise convolution hands a gradient on`);
  }
  const isConv = kind === 'conv';
  const depth = height * width * inChannels;
  return {
    kind,
    geometry: writeGeometry(heap, { side, inChannels, outChannels, window: [height, width], stride }),
    kernel,
    bias,
    panels: isConv ? heap.allocateFloats(depth * panelColumns(outChannels)) : 0,
    panelBias: isConv ? heap.allocateFloats(panelColumns(outChannels)) : 0,
    needInput,
    transposed: isConv && needInput ? heap.allocateFloats(outChannels * panelColumns(depth)) : 0,
    inFloats: side ** 2 * inChannels,
    outFloats: outputSide(side, stride) ** 2 * outChannels,
    outChannels,
    low: relu6 ? 0 : -Infinity,
    high: relu6 ? 6 : Infinity,
    adds,
    blockEnd,
  };
}

/** A unit with the size of its input. */
interface PlacedUnit extends Residual {
  readonly unit: ConvUnit;
  /** Height and width of its input. */
  readonly side: number;
  readonly inChannels: number;
  readonly outChannels: number;
}

/** A network's units in sequence. */
interface PlacedNetwork extends NetworkSizes {
  readonly frozen: readonly PlacedUnit[];
  readonly trained: readonly PlacedUnit[];
  /** The linear layer: a convolution of the one pooled pixel. */
  readonly head: PlacedUnit;
}

/** Places the units of a backbone, from the block `firstTrained` on trained, and a head of so many classes. */
function placeNetwork(
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
      // The backward pass hands a sum's gradient unchanged to both its parts, which is right only where no activation lies
      // between; and it masks that gradient for the block's input in place, which must not be what the same unit reads.
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
