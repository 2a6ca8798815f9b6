import { outputSide, panelColumns, writeGeometry } from '../../backend/wasm/geometry.js';
import { floatsAt, type Heap } from '../../backend/wasm/heap.js';
import type { TrainingKernels } from '../../backend/wasm/kernels-module.js';
import { HEAD } from '../../model/head.js';
import type { ReplicaSetup } from '../replica-setup.js';
import { imageTableBytes } from './image-table.js';
import { BOARD_BYTES } from './job-board.js';
import type { ArenaPlan, NetworkPlan, ParameterPlan, UnitPlan } from './network-plan.js';
import { placeNetwork, type PlacedNetwork, type PlacedUnit } from './place-units.js';

/** Slices whose gradients are held at a time; a batch of more is summed in rounds. Fixed, so that all sums are. */
const MOST_ROWS = 32;
/** Evaluations come in batches of this many. */
const LEAST_CAPACITY = 64;

/** How a network is used. */
export interface Layout {
  readonly sliceSize: number;
  readonly batchSize: number;
  readonly threads: number;
}

/** Lays a network out on a fresh heap, its weights in place and packed by nobody yet. */
export function layOutNetwork(
  heap: Heap,
  kernels: TrainingKernels,
  setup: ReplicaSetup,
  { sliceSize, batchSize, threads }: Layout,
): NetworkPlan {
  const classes = setup.head.bias.length;
  const network = placeNetwork(setup.backbone, setup.firstTrained, setup.imageSize, classes);
  const board = heap.allocate(BOARD_BYTES);
  const parameters = listParameters(network, setup);
  const parameterFloats = parameters.reduce((sum, { length }) => sum + length, 0);
  const weights = heap.allocateFloats(parameterFloats);
  for (const { name, offset } of parameters) writeFloats(heap, weights + offset * 4, given(setup, name));
  const units = {
    frozen: network.frozen.map((unit) => planFrozen(heap, unit, setup)),
    trained: network.trained.map((unit, i) => planTrained(heap, unit, i, weights, parameters)),
    head: planTrained(heap, network.head, network.trained.length, weights, parameters),
  };
  const capacity = Math.ceil(Math.max(batchSize, LEAST_CAPACITY) / sliceSize) * sliceSize;
  const rowCount = Math.min(Math.ceil(batchSize / sliceSize), MOST_ROWS);
  const scratch = scratchBytes(kernels, units, setup.imageSize);
  return {
    sliceSize,
    capacity,
    imageSize: setup.imageSize,
    classes,
    labelSmoothing: setup.labelSmoothing,
    ...units,
    positions: network.positions,
    channels: network.channels,
    featureFloats: network.featureFloats,
    parameters,
    parameterFloats,
    weights,
    velocities: heap.allocateFloats(parameterFloats),
    rows: heap.allocateFloats(rowCount * parameterFloats),
    rowCount,
    zeros: heap.allocateFloats(zeroFloats(network)),
    board,
    losses: heap.allocate((capacity / sliceSize) * Float64Array.BYTES_PER_ELEMENT),
    labels: heap.allocate(capacity * Int32Array.BYTES_PER_ELEMENT),
    imageTable: heap.allocate(imageTableBytes(capacity)),
    arenas: Array.from({ length: threads }, () => {
      const floats = (count: number) => heap.allocateFloats(sliceSize * count);
      return layOutArena(floats, heap.allocate(scratch), units, network, setup.imageSize);
    }),
  };
}

/** Units as they are planned, by what is done with them. */
type Units = Pick<NetworkPlan, 'frozen' | 'trained' | 'head'>;

/** @param floats the address of so many floats for each image of a slice */
function layOutArena(
  floats: (count: number) => number,
  scratch: number,
  { frozen, trained, head }: Units,
  { channels, featureFloats }: PlacedNetwork,
  imageSize: number,
): ArenaPlan {
  const largest = Math.max(0, ...frozen.map(({ outFloats }) => outFloats));
  return {
    images: floats(imageSize ** 2 * 3),
    features: floats(featureFloats),
    frozen: frozen.length === 0 ? [] : Array.from({ length: 3 }, () => floats(largest)),
    trained: trained.map(({ outFloats }) => floats(outFloats)),
    pooled: floats(channels),
    logits: floats(head.outChannels),
    scratch,
  };
}

function scratchBytes(kernels: TrainingKernels, { frozen, trained, head }: Units, imageSize: number): number {
  const convolutions = [...frozen, ...trained, head].filter(({ kind }) => kind === 'conv');
  return Math.max(
    kernels.imageInputScratchBytes(imageSize),
    ...convolutions.map(({ geometry }) => kernels.convScratchBytes(geometry)),
  );
}

/** As many zeros as the widest row of a map has, or as a gradient has channels. */
function zeroFloats({ frozen, trained, head }: PlacedNetwork): number {
  const rows = [...frozen, ...trained, head].map(({ side, inChannels }) => side * panelColumns(inChannels));
  return Math.max(...rows);
}

function listParameters({ trained, head }: PlacedNetwork, setup: ReplicaSetup): ParameterPlan[] {
  let offset = 0;
  return [...trained, head].flatMap(({ unit: { name } }, unit) =>
    ['kernel', 'bias'].map((part): ParameterPlan => {
      const { length } = given(setup, `${name}/${part}`);
      const parameter = {
        name: `${name}/${part}`,
        offset,
        length,
        unit,
        rateMultiplier: name === HEAD ? setup.headLrMultiplier : 1,
        weightDecay: part === 'bias' ? 0 : setup.weightDecay,
      };
      offset += length;
      return parameter;
    }),
  );
}

function given({ parameters, head }: ReplicaSetup, name: string): Float32Array {
  if (name === `${HEAD}/kernel`) return head.kernel;
  if (name === `${HEAD}/bias`) return head.bias;
  const parameter = parameters.get(name);
  if (parameter === undefined) throw new Error(`the weights hold no parameter ${name}`);
  return parameter.values;
}

function writeFloats({ memory }: Heap, address: number, values: Float32Array): void {
  floatsAt(memory, address, values.length).set(values);
}

function planFrozen(heap: Heap, placed: PlacedUnit, setup: ReplicaSetup): UnitPlan {
  const load = (part: string): number => {
    const values = given(setup, `${placed.unit.name}/${part}`);
    const address = heap.allocateFloats(values.length);
    writeFloats(heap, address, values);
    return address;
  };
  return planUnit(heap, placed, load('kernel'), load('bias'), false);
}

/** The first trained unit has nobody to hand a gradient on to. */
function planTrained(
  heap: Heap,
  placed: PlacedUnit,
  index: number,
  weights: number,
  parameters: readonly ParameterPlan[],
): UnitPlan {
  const [kernel = 0, bias = 0] = parameters
    .filter(({ unit }) => unit === index)
    .map(({ offset }) => weights + offset * 4);
  return planUnit(heap, placed, kernel, bias, index > 0);
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
