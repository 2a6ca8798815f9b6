import { z } from 'zod';
import { UsageError } from '../../errors.js';
import { type ConvStage, readConvStage } from './conv-stage.js';
import { describe, type LayerGraph, type LayerNode } from './graph.js';

/** The layers of a MobileNet in the order in which they compute, without the classification layers. */
export interface MobileNetPlan {
  readonly version: 1 | 2;
  /** Height and width of the input in pixels. */
  readonly trainedSize: number;
  readonly blocks: readonly StageBlock[];
}

// MobileNetV1, arXiv 1704.04861, table 1; MobileNetV2, arXiv 1801.04381, table 2.
const separableBlocks = 13;
const invertedResiduals = 17;
// What Keras's weights were trained at, for networks that leave height and width open.
const keras = 224;
const topLayers = new Set(
  'GlobalAveragePooling2D GlobalMaxPooling2D AveragePooling2D MaxPooling2D Flatten Reshape Dropout Dense'.split(
    ' ',
  ),
);

/**
 * Finds the blocks of a MobileNet V1 or V2 in a graph of layers, by its edges; what follows the last
 * block is left out. Throws UsageError with what was expected, after which layer, and what was found.
 */
export function matchMobileNet(graph: LayerGraph): MobileNetPlan {
  const { start, resizedTo } = skipPreparation(graph);
  const trainedSize = resizedTo ?? inputSize(graph.input);
  const walk = new GraphWalk(graph, start, trainedSize);
  const stem = walk.conv('a convolution of 3 x 3, stride 2 or 1, with ReLU6', (s) => is(s, 'conv', 3, true));
  const blocks: StageBlock[] = [{ name: stem.name, stages: [stem], residual: false }];
  const first = walk.block('block_1', readFirstBlock);
  const version = first.stages.at(-1)?.relu6 === true ? 1 : 2;
  if (version === 1) {
    blocks.push(first);
    for (let i = 2; i <= separableBlocks; i++) blocks.push(walk.block(`block_${i}`, readSeparable));
  } else {
    // Keras counts from the first block that expands.
    blocks.push({ ...first, name: 'expanded_conv' });
    for (let i = 1; i < invertedResiduals; i++) blocks.push(walk.block(`block_${i}`, readInvertedResidual));
    const last = walk.conv('the last convolution, 1 x 1 with ReLU6', (stage) => is(stage, 'conv', 1, true));
    blocks.push({ name: last.name, stages: [last], residual: false });
  }
  const [after] = walk.next();
  if (after !== undefined && !topLayers.has(after.className)) {
    throw new UsageError(`expected the end or pooling after «${walk.at.name}», found ${describe(after)}`);
  }
  return { version, trainedSize, blocks };
}

/** Layers that change images only while a network is trained. */
const AUGMENTATIONS = new Set(
  'RandomFlip RandomRotation RandomZoom RandomContrast RandomBrightness RandomTranslation GaussianNoise Dropout'.split(
    ' ',
  ),
);

/**
 * Passes over what stands before the network proper: augmentation, a resizing, and a scaling of pixels from 0 to 255 to -1 to 1,
 * which is what a MobileNet is fed with here too. Throws UsageError for any other scaling.
 */
function skipPreparation(graph: LayerGraph): { start: LayerNode; resizedTo: number | undefined } {
  let start = graph.input;
  let resizedTo: number | undefined;
  let [scale, offset, scaled] = [1, 0, false];
  for (;;) {
    const [layer, ...others] = graph.consumers(start);
    if (layer === undefined || others.length > 0) break;
    const change = scalingOf(layer);
    const { height, width } = layer.config;
    if (change !== undefined) {
      [scale, offset, scaled] = [scale * change.scale, offset * change.scale + change.offset, true];
    } else if (layer.className === 'Resizing' && typeof height === 'number' && height === width) {
      resizedTo = height;
    } else if (!AUGMENTATIONS.has(layer.className)) break;
    start = layer;
  }
  const alike = Math.abs(127.5 * scale - 1) < 1e-3 && Math.abs(offset + 1) < 1e-3;
  if (!scaled || alike) return { start, resizedTo };
  throw new UsageError(
    `the network scales pixels by ${scale} and adds ${offset} before «${start.name}»: expected what makes -1 to 1 of 0 to 255, ` +
      'as that is how a MobileNet is fed here',
  );
}

/** What a layer makes of a pixel x: scale x + offset; undefined where it does something else. */
function scalingOf({ className, config, inputs, numbers }: LayerNode): Scaling | undefined {
  if (className === 'Rescaling') {
    const { scale, offset = 0 } = config;
    return typeof scale === 'number' && typeof offset === 'number' ? { scale, offset } : undefined;
  }
  const [by] = numbers;
  if (by === undefined || numbers.length > 1 || inputs.length !== 1) return undefined;
  // Keras 3 has a class for each operation, Keras 2 one for all.
  const operation = className === 'TFOpLambda' ? String(config['function']) : className;
  if (/^(math\.(true)?div(ide)?|TrueDivide|Divide)$/u.test(operation)) return { scale: 1 / by, offset: 0 };
  if (/^(math\.multiply|Multiply)$/u.test(operation)) return { scale: by, offset: 0 };
  if (/^(math\.subtract|Subtract)$/u.test(operation)) return { scale: 1, offset: -by };
  return undefined;
}

interface Scaling {
  readonly scale: number;
  readonly offset: number;
}

function readFirstBlock(walk: GraphWalk): ConvStage[] {
  return [
    depthwise(walk),
    walk.conv('a convolution of 1 x 1', (s) => is(s, 'conv', 1, true) || is(s, 'conv', 1, false)),
  ];
}

function readSeparable(walk: GraphWalk): ConvStage[] {
  return [
    depthwise(walk),
    walk.conv('a convolution of 1 x 1 with ReLU6', (stage) => is(stage, 'conv', 1, true)),
  ];
}

function readInvertedResidual(walk: GraphWalk): ConvStage[] {
  return [
    walk.conv('a convolution of 1 x 1 with ReLU6 that expands', (stage) => is(stage, 'conv', 1, true)),
    depthwise(walk),
    walk.conv('a convolution of 1 x 1 without activation', (stage) => is(stage, 'conv', 1, false)),
  ];
}

function depthwise(walk: GraphWalk): ConvStage {
  return walk.conv('a depthwise convolution of 3 x 3 with ReLU6', (stage) => is(stage, 'depthwise', 3, true));
}

function is(stage: ConvStage, kind: ConvStage['kind'], window: 1 | 3, relu6: boolean): boolean {
  const [height, width] = stage.kernelSize;
  const strideFits = window === 3 || stage.stride === 1;
  return stage.kind === kind && height === window && width === window && stage.relu6 === relu6 && strideFits;
}

const shapeSchema = z.tuple([
  z.null(),
  z.int().positive().nullable(),
  z.int().positive().nullable(),
  z.literal(3),
]);

function inputSize(input: LayerNode): number {
  const found = input.config['batch_input_shape'] ?? input.config['batch_shape'];
  const parsed = shapeSchema.safeParse(found);
  if (!parsed.success || parsed.data[1] !== parsed.data[2]) {
    throw new UsageError(
      `${describe(input)}: expected the shape [null, size, size, 3], found ${JSON.stringify(found)}`,
    );
  }
  return parsed.data[1] ?? keras;
}

/** Convolutions in sequence, the input added to the output where `residual`. */
export interface StageBlock {
  readonly name: string;
  readonly stages: readonly ConvStage[];
  readonly residual: boolean;
}

/** A position in a graph of layers that moves forward along its edges, a convolution or a block at a time. */
class GraphWalk {
  constructor(
    private readonly graph: LayerGraph,
    public at: LayerNode,
    private size: number,
  ) {}

  /** What takes the output here, the end of a shortcut left aside. */
  next(): readonly LayerNode[] {
    const all = this.graph.consumers(this.at);
    const ahead = all.filter((layer) => layer.className !== 'Add');
    return ahead.length > 0 ? ahead : all;
  }

  /** Reads one convolution and moves behind it; throws UsageError where it does not pass `fits`. */
  conv(expected: string, fits: (stage: ConvStage) => boolean): ConvStage {
    const stage = readConvStage(this.graph, this.at, this.next(), this.size, expected);
    if (!fits(stage)) {
      throw new UsageError(
        `expected ${expected} after «${this.at.name}», found «${stage.name}», ${inWords(stage)}`,
      );
    }
    this.at = stage.end;
    this.size = stage.outputSize;
    return stage;
  }

  /**
   * Reads the convolutions of a block, and the addition at its end where its input has a shortcut.
   * Throws UsageError where that shortcut ends elsewhere.
   */
  block(name: string, read: (walk: GraphWalk) => ConvStage[]): StageBlock {
    const start = this.at;
    const all = this.graph.consumers(start);
    const shortcut = all.length > 1 ? all.find((layer) => layer.className === 'Add') : undefined;
    const stages = read(this);
    if (shortcut === undefined) return { name, stages, residual: false };
    const ends = this.graph.consumers(this.at);
    if (shortcut.inputs.length !== 2 || ends.length !== 1 || ends[0] !== shortcut) {
      throw new UsageError(
        `expected ${describe(shortcut)} to add «${start.name}» to the end of its block, «${this.at.name}», found ` +
          `that it adds ${shortcut.inputs.map((input) => `«${input}»`).join(' and ')}`,
      );
    }
    this.at = shortcut;
    return { name, stages, residual: true };
  }
}

function inWords(stage: ConvStage): string {
  const kind = stage.kind === 'depthwise' ? 'a depthwise convolution' : 'a convolution';
  const activation = stage.relu6 ? 'ReLU6' : 'no activation';
  return `${kind} of ${stage.kernelSize.join(' x ')}, stride ${stage.stride}, with ${activation}`;
}
