import { type Backbone, type Block, type ConvUnit, HEAD } from '../../model/network.js';
import { type NetworkSetup, termsOf } from '../params.js';
import { featureShape, outputSide, panelColumns, writeGeometry } from '../shapes.js';
import { LAYER_BYTES, writeLayer, writeRecomputed } from './batch-pass.js';
import type { TrainingKernels } from './compile-kernels.js';
import { floatsAt, type Heap } from './heap.js';
import { imageTableBytes } from './input-area.js';
import { boardBytes } from './job-board.js';
import type {
  ArenaPlan,
  BatchNormPlan,
  BatchPlan,
  LayerPlan,
  NetworkPlan,
  NetworkSizes,
  ParameterPlan,
  Residual,
  StatisticPlan,
  TrainedUnitPlan,
  UnitPlan,
} from './network-plan.js';

/** Slices whose gradients are held at a time. Those of a larger batch are summed in rounds, in the same order. */
const MOST_ROWS = 32;
/** Parts of a batch at least: threads wait for each other after every unit, and the fewer the parts, the longer. */
const LEAST_PARTS = 4;
/**
 * Inputs up to which a pointwise convolution is computed anew where a wide map would have to be kept for it. With 8 and 16 a step
 * takes the same time to the accuracy of measurement, with 32 some 3% more; memory is what is gained.
 */
const MOST_RECOMPUTED = 16;
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
  const board = heap.allocate(boardBytes(threads));
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
    const parameters = parameterNames(placed.unit).map(placeParameter);
    const [kernel = 0, ...others] = parameters.map(({ offset: at }) => weights + at * 4);
    const bias = others.length === 1 ? others[0] : heap.allocateFloats(panelColumns(placed.outChannels));
    return {
      ...planUnit(heap, placed, kernel, bias ?? 0, needInput),
      parameters,
      batchNorm: planBatchNorm(heap, placed, setup, parameters, weights),
    };
  };
  // Nothing before the first trained unit needs a gradient.
  const trained = network.trained.map((unit, i) => planTrained(unit, i > 0));
  const head = planTrained(network.head, trained.length > 0);
  const units = {
    frozen: network.frozen.map((unit) => planFrozen(heap, unit, setup)),
    trained,
    head,
    evaluated: trained.map((unit, i) => planEvaluated(heap, unit, network.trained[i])),
  };
  const { imageSize, classes, positions, channels, featureShape, featureFloats } = network;
  const capacity = Math.ceil(Math.max(batchSize, LEAST_CAPACITY) / sliceSize) * sliceSize;
  const batch = trained.some(({ batchNorm }) => batchNorm !== null)
    ? planBatch(heap, network, trained, { sliceSize, batchSize })
    : null;
  const rowCount = Math.min(Math.ceil(batchSize / (batch?.partSize ?? sliceSize)), MOST_ROWS);
  const lossCount = Math.max(capacity / sliceSize, rowCount);
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
    classWeights: setup.classWeights,
    ...units,
    batch,
    parameterFloats,
    weights,
    velocities: heap.allocateFloats(parameterFloats),
    rows: heap.allocateFloats(rowCount * parameterFloats),
    rowCount,
    zeros: heap.allocateFloats(zeroFloats(network)),
    board,
    losses: heap.allocate(lossCount * Float64Array.BYTES_PER_ELEMENT),
    lossCount,
    usedRates: heap.allocate((trained.length + 1) * 2 * Float64Array.BYTES_PER_ELEMENT),
    labels: heap.allocate(capacity * Int32Array.BYTES_PER_ELEMENT),
    imageTable: heap.allocate(imageTableBytes(capacity)),
    arenas: Array.from({ length: threads }, () => {
      const floats = (count: number) =>
        heap.allocateFloats(Math.max(sliceSize, batch?.partSize ?? 0) * count);
      return layOutArena(floats, heap.allocate(scratch), units, network, batch !== null);
    }),
  };
}

type Units = Pick<NetworkPlan, 'frozen' | 'trained' | 'head' | 'evaluated'>;

/**
 * @param floats the address of so many floats for each image of a slice
 * @param forwardAlone whether the trained units' outputs are not kept for a backward pass
 */
function layOutArena(
  floats: (count: number) => number,
  scratch: number,
  { frozen, evaluated, head }: Units,
  { imageSize, channels, featureFloats }: NetworkSizes,
  forwardAlone: boolean,
): ArenaPlan {
  const images = floats(imageSize ** 2 * 3);
  return {
    images,
    features: frozen.length === 0 ? images : floats(featureFloats),
    frozen: sharedBuffers(frozen, floats),
    trained: forwardAlone
      ? sharedBuffers(evaluated, floats)
      : evaluated.map(({ outFloats }) => floats(outFloats)),
    pooled: floats(channels),
    logits: floats(head.outChannels),
    scratch,
  };
}

/**
 * Addresses for the outputs of units that no backward pass follows. Three buffers are enough for all: an output must overwrite neither its unit's input nor
 * the block's input that is still to be added.
 */
function sharedBuffers(units: readonly UnitPlan[], floats: (count: number) => number): number[] {
  const sizes = [0, 0, 0];
  const places: number[] = [];
  let kept = -1;
  units.forEach(({ blockEnd, outFloats }, i) => {
    if (blockEnd !== null) kept = i - 1;
    places.push(growPlace(sizes, outFloats, [places[i - 1], places[kept]]));
  });
  const addresses = sizes.map(floats);
  return places.map((place) => addresses[place] ?? 0);
}

/** Of the places that are not taken, the one that has to grow least to hold so many floats; it grows. */
function growPlace(sizes: number[], floats: number, taken: readonly (number | undefined)[]): number {
  const growth = (place: number) => Math.max(0, floats - (sizes[place] ?? 0));
  const free = sizes.map((_, place) => place).filter((place) => !taken.includes(place));
  const [place = 0] = free.toSorted((a, b) => growth(a) - growth(b));
  sizes[place] = Math.max(sizes[place] ?? 0, floats);
  return place;
}

function scratchBytes(kernels: TrainingKernels, { frozen, trained, head }: Units, imageSize: number): number {
  const convolutions = [...frozen, ...trained, head].filter(({ kind }) => kind === 'conv');
  const layers = trained.some(({ batchNorm }) => batchNorm !== null) ? trained : [];
  return Math.max(
    kernels.imageInputScratchBytes(imageSize),
    ...convolutions.map(({ geometry }) => kernels.convScratchBytes(geometry)),
    ...layers.map(({ geometry, kind, outChannels }) => {
      const extra = kind === 'depthwise' ? kernels.recomputedScratchBytes(MOST_RECOMPUTED, outChannels) : 0;
      return kernels.layerScratchBytes(geometry, kind === 'depthwise') + extra;
    }),
    kernels.recomputedScratchBytes(MOST_RECOMPUTED, MOST_RECOMPUTED),
  );
}

/** The parts in which a batch moves through the trained units, and all that is kept of it. */
function planBatch(
  heap: Heap,
  { featureShape: [side, , channels], featureFloats, trained: placed }: PlacedNetwork,
  trained: readonly TrainedUnitPlan[],
  { sliceSize, batchSize }: Pick<Layout, 'sliceSize' | 'batchSize'>,
): BatchPlan {
  const slicesEach = Math.ceil(Math.ceil(batchSize / sliceSize) / MOST_ROWS);
  const partSize = Math.min(slicesEach * sliceSize, Math.ceil(batchSize / LEAST_PARTS));
  const parts = Math.ceil(batchSize / partSize);
  const kept = whichAreKept(placed);
  const floats = (count: number) => heap.allocateFloats(batchSize * count);
  const maps = placeMaps(trained, kept);
  const begin = floats(maps.floats);
  const address = (place: number | undefined) => (place === undefined ? 0 : begin + batchSize * place * 4);
  const featureLayer = heap.allocate(LAYER_BYTES);
  writeLayer(heap, featureLayer, {
    ...{ z: 0, values: 0, gradient: 0, mean: 0, forward: 0, backward: 0, stretch: 0 },
    ...{ positions: side ** 2, channels },
    ...{ normalized: false, recomputed: null, low: -Infinity, high: Infinity },
  });
  const addresses = trained.map(() => heap.allocate(LAYER_BYTES));
  const planLayer = (unit: TrainedUnitPlan, i: number): LayerPlan => {
    const { outFloats, outChannels, low, high, batchNorm } = unit;
    const layer = addresses[i] ?? 0;
    const stretch = stretchOf(outChannels);
    const forward = heap.allocateFloats(2 * stretch);
    // Scales of 1 and shifts of 0, vector by vector; without batch norm they stay so.
    writeFloats(
      heap,
      forward,
      new Float32Array(2 * stretch).map((_, k) => (k % 8 < 4 ? 1 : 0)),
    );
    const depth = placed[i]?.inChannels ?? 0;
    const source = { layer: addresses[i - 1] ?? featureLayer, channels: depth };
    const places = {
      z: address(maps.z[i]),
      values: address(maps.values[i]),
      gradient: address(maps.gradients[i]),
      recomputed: kept[i] ? null : writeRecomputed(heap, unit, source, outChannels),
      ...{ mean: heap.allocateFloats(panelColumns(outChannels)), forward, stretch },
      ...{ backward: heap.allocateFloats(3 * stretch) },
      ...{ positions: outFloats / outChannels, channels: outChannels },
    };
    writeLayer(heap, layer, { ...places, normalized: batchNorm !== null, low, high });
    const sumCount = Math.max(2 * outChannels, kept[i] ? 0 : depth + depth * depth);
    const sums = heap.allocate(parts * sumCount * Float64Array.BYTES_PER_ELEMENT);
    return { ...places, layer, sums, sumCount };
  };
  return { partSize, features: floats(featureFloats), featureLayer, layers: trained.map(planLayer) };
}

/**
 * Floats of a map over which the factors of its channels are laid out: whole positions, and whole cache lines of 16 floats. At least four
 * lines, so that a map of few channels is not read in small pieces.
 */
function stretchOf(channels: number): number {
  let stretch = channels;
  while (stretch < 64 || stretch % 16 !== 0) stretch += channels;
  return stretch;
}

/**
 * Whether a unit's map is kept for a whole mini-batch, and its gradient: not those of a pointwise convolution of few inputs without
 * activation, before a depthwise one, where both have batch norm.
 */
function whichAreKept(units: readonly PlacedUnit[]): boolean[] {
  return units.map(({ unit, inChannels, outChannels, adds }, i) => {
    const [before, next] = [units[i - 1], units[i + 1]];
    const isRecomputed =
      unit.batchNorm !== undefined &&
      isPointwise(unit) &&
      inChannels <= Math.min(outChannels, MOST_RECOMPUTED) &&
      adds === null &&
      !(before?.unit.relu6 ?? false) &&
      next?.unit.batchNorm !== undefined &&
      next.unit.kind === 'depthwise';
    return !isRecomputed;
  });
}

function isPointwise({ kind, stride, filterShape: [height, width] }: ConvUnit): boolean {
  return kind === 'conv' && height * width * stride === 1;
}

/** Where the maps of a batch begin, by unit, in floats of one image; undefined where there is no such map. */
interface MapPlaces {
  readonly z: readonly (number | undefined)[];
  readonly values: readonly (number | undefined)[];
  readonly gradients: readonly (number | undefined)[];
  /** All of them. */
  readonly floats: number;
}

/**
 * Places what is kept of the units, in their order, and the gradients of their outputs. A gradient lies where maps of later units
 * are no longer needed: the backward pass of unit `writer` writes it and still reads that unit's z, and of what comes after nothing
 * but the gradients that are under way. These are the one that it is computed from, and that of the end of the block around it, to
 * which the gradient of the block's input is added in place.
 */
function placeMaps(units: readonly TrainedUnitPlan[], kept: readonly boolean[]): MapPlaces {
  let floats = 0;
  const place = (count: number) => {
    const at = floats;
    floats += wholeLines(count);
    return at;
  };
  const maps = units.map(({ outFloats, adds }, i) => {
    const z = kept[i] ? place(outFloats) : undefined;
    return { z, done: floats, values: adds === null ? undefined : place(outFloats) };
  });
  const all = floats;
  const gradients: (Span | undefined)[] = [];
  let source: Span | undefined;
  for (let i = units.length - 1; i >= 0; i--) {
    if (!kept[i]) continue;
    const end = units[i + 1]?.blockEnd ?? null;
    if (end === null) {
      const writer = kept[i + 1] === false ? i + 2 : i + 1;
      const around = units.findLast(
        ({ blockEnd }, begin) => begin <= i + 1 && blockEnd !== null && blockEnd > i,
      );
      const taken = [source, gradients[around?.blockEnd ?? -1]].filter((span) => span !== undefined);
      source = firstFree(maps[writer]?.done ?? all, wholeLines(units[i]?.outFloats ?? 0), taken);
      floats = Math.max(floats, source.to);
    } else {
      source = gradients[end];
    }
    gradients[i] = source;
  }
  return {
    z: maps.map(({ z }) => z),
    values: maps.map(({ values }) => values),
    gradients: Array.from(units, (_, i) => gradients[i]?.from),
    floats,
  };
}

/** From one float to before another. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** Where so many floats fit first, at `from` or later. */
function firstFree(from: number, length: number, taken: readonly Span[]): Span {
  const begins = [from, ...taken.map(({ to }) => Math.max(from, to))];
  const free = begins.filter((at) => taken.every((other) => at >= other.to || at + length <= other.from));
  const begin = Math.min(...free);
  return { from: begin, to: begin + length };
}

/** A number of floats in whole cache lines. */
const wholeLines = (floats: number) => Math.ceil(floats / 16) * 16;

/** A unit as evaluations compute it: with the same weights, or with such as batch norm is folded into. */
function planEvaluated(heap: Heap, unit: TrainedUnitPlan, placed: PlacedUnit | undefined): UnitPlan {
  if (unit.batchNorm === null || placed === undefined) return unit;
  const kernel = heap.allocateFloats(unit.parameters[0]?.length ?? 0);
  return planUnit(heap, placed, kernel, heap.allocateFloats(placed.outChannels), false);
}

function planBatchNorm(
  heap: Heap,
  { unit: { name, batchNorm }, outChannels }: PlacedUnit,
  setup: NetworkSetup,
  [, gamma, beta]: readonly ParameterPlan[],
  weights: number,
): BatchNormPlan | null {
  if (batchNorm === undefined || gamma === undefined || beta === undefined) return null;
  const load = (statistic: string): StatisticPlan => {
    const values = given(setup, `${name}/${statistic}`);
    const address = heap.allocateFloats(values.length);
    writeFloats(heap, address, values);
    return { name: `${name}/${statistic}`, address, length: values.length };
  };
  return {
    ...batchNorm,
    gamma: weights + gamma.offset * 4,
    beta: weights + beta.offset * 4,
    gammaOffset: gamma.offset,
    betaOffset: beta.offset,
    statistics: { mean: load('mean'), variance: load('variance') },
    batchMoments: heap.allocate(2 * outChannels * Float64Array.BYTES_PER_ELEMENT),
  };
}

/** As many as the longest row of an input has floats. */
function zeroFloats({ frozen, trained, head }: PlacedNetwork): number {
  const rows = [...frozen, ...trained, head].map(({ side, inChannels }) => side * panelColumns(inChannels));
  return Math.max(...rows);
}

function countParameters({ trained, head }: PlacedNetwork, setup: NetworkSetup): number {
  return [...trained, head]
    .flatMap(({ unit }) => parameterNames(unit).map((name) => given(setup, name)))
    .reduce((sum, { length }) => sum + length, 0);
}

function parameterNames({ name, batchNorm }: ConvUnit): string[] {
  const parts = batchNorm === undefined ? ['kernel', 'bias'] : ['kernel', 'gamma', 'beta'];
  return parts.map((part) => `${name}/${part}`);
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
