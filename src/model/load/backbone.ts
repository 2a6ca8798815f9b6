import { createHash } from 'node:crypto';
import { UsageError } from '../../errors.js';
import {
  type Backbone,
  type Block,
  type ConvUnit,
  firstNonFinite,
  freshBackbone,
  type Head,
  initWeights,
  type Parameters,
} from '../network.js';
import type { ConvStage } from './conv-stage.js';
import { type BatchNorm, foldBatchNorm, requirePositive } from './fold.js';
import { describe, type LayerGraph, linkLayers } from './graph.js';
import { matchMobileNet, type MobileNetPlan, type StageBlock } from './match.js';
import { openModelFile } from './model-file.js';
import type { WeightTensor } from './weight-files.js';

/** A MobileNet as read from disk, as plain data that may cross threads. */
export interface LoadedBackbone {
  readonly backbone: Backbone;
  /** Batch norm folded, except where it was to be kept; each its own array. */
  readonly parameters: Parameters;
  /** Of the file's bytes, those of model.json followed by those of the weight files in the manifest's order, in hexadecimal. */
  readonly sha256: string;
  /** How weights are quantized that were read from fewer bits, as in «uint8». */
  readonly quantized?: string | undefined;
  /** Whether nothing was read and the parameters stand for others, which each run draws by its seed. */
  readonly fresh?: boolean;
}

/** Index of the first block whose batch norm is kept as it is instead of folded, in a network of these blocks. */
type FirstKept = (network: Pick<MobileNetPlan, 'version' | 'blocks'>) => number;

/**
 * Reads a MobileNet V1 or V2 of any width, with or without its classification layers and with batch norm separate or folded
 * already: from the model.json of a TFJS layers-model, or from an HDF5 file or archive of Keras. Each file is read once.
 * Throws UsageError, naming the file, for anything that is not such a network with finite weights.
 * @param firstKept without it batch norm is folded everywhere
 */
export function loadBackbone(path: string, firstKept: FirstKept = () => Infinity): Promise<LoadedBackbone> {
  return explained(path, async () => (await load(path, firstKept)).loaded);
}

/** A fine-tuned MobileNet as read from disk. */
export interface LoadedClassifier extends LoadedBackbone {
  readonly head: Head;
}

/**
 * Reads a classifier as `saveLayersModel` writes it: the backbone, a global average, and one dense layer with softmax. Batch
 * norm is kept where there is some. Throws UsageError, naming the file, for anything else.
 */
export function loadClassifier(modelJsonPath: string): Promise<LoadedClassifier> {
  return explained(modelJsonPath, async () => {
    const { loaded, plan, graph, weights } = await load(modelJsonPath, () => 0);
    return { ...loaded, head: readHead(plan, graph, weights, loaded.backbone.features) };
  });
}

/**
 * A MobileNet V2 of any width that has learnt nothing. Its hash is that of its plan and of how weights are drawn, and so equal
 * for all seeds.
 */
export function freshNetwork(alpha: number, seed: number): LoadedBackbone {
  const backbone = freshBackbone(alpha);
  const rule = JSON.stringify(['He normal', backbone]);
  return {
    backbone,
    parameters: initWeights(backbone, seed),
    sha256: createHash('sha256').update(rule).digest('hex'),
    fresh: true,
  };
}

async function explained<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(
      `--weights ${path}: ${error.message}\nExpected a TFJS layers-model of MobileNet V1 or V2, as tensorflowjs_converter or tfjs ` +
        'save one, or a file of Keras (.h5 or .keras) with one, in float32.',
      { cause: error },
    );
  }
}

async function load(path: string, firstKept: FirstKept) {
  const file = await openModelFile(path);
  try {
    const graph = linkLayers(file.layers);
    const plan = orSayWhatItIs(file.said, () => matchMobileNet(graph));
    const { weights, sha256, quantized } = await file.readWeights();
    const built = buildBackbone(plan, graph, weights, firstKept(plan));
    const loaded: LoadedBackbone = { ...built, sha256, quantized };
    return { loaded, plan, graph, weights };
  } finally {
    file.close();
  }
}

/** What people try most often, by the names that Keras gives them. */
const OTHERS =
  /"name": ?"((?:convnext|densenet|efficientnet|inception|mobilenet_?v3|nasnet|resnet|vgg|xception)[\w.-]*)"/iu;

function orSayWhatItIs<Result>(said: string, match: () => Result): Result {
  try {
    return match();
  } catch (error) {
    const [, other] = OTHERS.exec(said) ?? [];
    if (!(error instanceof UsageError) || other === undefined) throw error;
    throw new UsageError(`this is «${other}», another network than a MobileNet V1 or V2: ${error.message}`);
  }
}

type FilterShape = ConvUnit['filterShape'];

/**
 * The backbone of a plan with its parameters, batch norm folded into those of the blocks before `firstKept`.
 *
 * Throws UsageError, naming the weight, where one is missing, has not the shape that its layer gives it,
 * is not finite, or belongs to no layer. Weights of layers outside the plan (the classifier) are passed over.
 */
function buildBackbone(
  plan: MobileNetPlan,
  graph: LayerGraph,
  weights: ReadonlyMap<string, WeightTensor>,
  firstKept: number,
): { backbone: Backbone; parameters: Parameters } {
  const source = new WeightSource(weights);
  const parameters = new Map<string, WeightTensor>();
  let channels = 3;
  const blocks = plan.blocks.map((block, i): Block => {
    const inputChannels = channels;
    const read = i < firstKept ? readFolded : readKept;
    const units = block.stages.map((stage) => {
      const unit = read(stage, channels, source, parameters);
      channels = stage.filters ?? channels;
      return unit;
    });
    requireAddable(block, inputChannels, channels);
    return { name: block.name, units, residual: block.residual };
  });
  source.requireAllKnown(graph, plan);
  const alpha = widthMultiplier(plan, blocks);
  const { version, trainedSize } = plan;
  return { backbone: { version, alpha, trainedSize, blocks, features: channels }, parameters };
}

/** The classification layer that follows the blocks of a plan. */
function readHead(
  { blocks }: MobileNetPlan,
  graph: LayerGraph,
  weights: ReadonlyMap<string, WeightTensor>,
  features: number,
): Head {
  const last = blocks.at(-1)?.stages.at(-1)?.end;
  const [pool] = last === undefined ? [] : graph.consumers(last);
  const [dense] = pool === undefined ? [] : graph.consumers(pool);
  const { units, activation } = dense?.config ?? {};
  const fits = pool?.className === 'GlobalAveragePooling2D' && dense?.className === 'Dense';
  if (!fits || typeof units !== 'number' || activation !== 'softmax' || graph.consumers(dense).length > 0) {
    throw new UsageError(
      `expected a global average and one Dense layer with softmax at the end, found ${describe(...[pool, dense].filter((layer) => layer !== undefined))}`,
    );
  }
  const source = new WeightSource(weights);
  return {
    kernel: source.take(`${dense.name}/kernel`, [features, units]),
    bias: source.take(`${dense.name}/bias`, [units]),
  };
}

/**
 * Read off the block where rounding to multiples of 8 bites least: V1's last (1024 channels at 1.0), V2's last
 * inverted residual (320). The stem would say 0.5 for 0.35, which both have 16 channels there.
 */
function widthMultiplier({ version }: MobileNetPlan, blocks: readonly Block[]): number {
  const widest = version === 1 ? blocks.at(-1) : blocks.at(-2);
  return (widest?.units.at(-1)?.filterShape[3] ?? 0) / (version === 1 ? 1024 : 320);
}

/** Reads one unit and puts its parameters into a map. */
type ReadUnit = (
  stage: ConvStage,
  channels: number,
  source: WeightSource,
  into: Map<string, WeightTensor>,
) => ConvUnit;

/** With batch norm folded into kernel and bias. */
const readFolded: ReadUnit = (stage, channels, source, into) => {
  const { unit, kernel, bias, batchNorm, out } = readLayers(stage, channels, source);
  const { name, filterShape } = unit;
  const folded = foldBatchNorm({ kernel, bias: bias ?? new Float32Array(out) }, batchNorm);
  into.set(`${name}/kernel`, { shape: filterShape, values: finite(folded.kernel, `${name}/kernel`) });
  into.set(`${name}/bias`, { shape: [out], values: finite(folded.bias, `${name}/bias`) });
  return unit;
};

/** With batch norm as it is; a unit that has none, or has it folded already, is read as it is too. */
const readKept: ReadUnit = (stage, channels, source, into) => {
  if (stage.batchNorm === undefined) return readFolded(stage, channels, source, into);
  const { unit, kernel, bias, batchNorm, out } = readLayers(stage, channels, source);
  if (batchNorm === undefined) throw new Error(`${stage.name} has no batch norm`);
  requirePositive(batchNorm);
  const { gamma, beta, mean, variance } = batchNorm;
  const { name, filterShape } = unit;
  // What a bias adds is subtracted again with the mean, so that it is a part of the running one and has no other effect.
  const unbiased = mean.map((value, c) => value - (bias?.[c] ?? 0));
  into.set(`${name}/kernel`, { shape: filterShape, values: kernel.slice() });
  into.set(`${name}/gamma`, { shape: [out], values: gamma?.slice() ?? new Float32Array(out).fill(1) });
  into.set(`${name}/beta`, { shape: [out], values: beta?.slice() ?? new Float32Array(out) });
  into.set(`${name}/mean`, { shape: [out], values: finite(unbiased, `${name}/mean`) });
  into.set(`${name}/variance`, { shape: [out], values: variance.slice() });
  return { ...unit, batchNorm: { epsilon: stage.batchNorm.epsilon, momentum: stage.batchNorm.momentum } };
};

/** The weights of a stage's layers as the file has them, and the unit that they are without batch norm. */
function readLayers(stage: ConvStage, channels: number, source: WeightSource) {
  const { name, kind, stride, relu6 } = stage;
  const out = stage.filters ?? channels;
  const filterShape: FilterShape = [...stage.kernelSize, channels, kind === 'conv' ? out : 1];
  const kernel =
    kind === 'conv'
      ? source.take(`${name}/kernel`, filterShape)
      : source.take(`${name}/depthwise_kernel`, filterShape, `${name}/kernel`);
  const bias = stage.useBias ? source.take(`${name}/bias`, [out]) : undefined;
  const unit: ConvUnit = { name, kind, stride, relu6, filterShape };
  return { unit, kernel, bias, batchNorm: batchNormOf(stage, out, source), out };
}

function batchNormOf(
  { batchNorm }: ConvStage,
  channels: number,
  source: WeightSource,
): BatchNorm | undefined {
  if (batchNorm === undefined) return undefined;
  const { name, epsilon, scale, center } = batchNorm;
  return {
    name,
    epsilon,
    gamma: scale ? source.take(`${name}/gamma`, [channels]) : undefined,
    beta: center ? source.take(`${name}/beta`, [channels]) : undefined,
    mean: source.take(`${name}/moving_mean`, [channels]),
    variance: source.take(`${name}/moving_variance`, [channels]),
  };
}

function requireAddable({ name, residual, stages }: StageBlock, before: number, after: number): void {
  if (residual && (before !== after || stages.some((stage) => stage.stride !== 1))) {
    throw new UsageError(
      `${name} adds its input of ${before} channels to an output of another shape (${after} channels)`,
    );
  }
}

/** Hands out each weight by name and shape, and knows what was never asked for. */
class WeightSource {
  readonly #taken = new Set<string>();

  constructor(private readonly weights: ReadonlyMap<string, WeightTensor>) {}

  /** @param others names of other versions of Keras */
  take(name: string, shape: readonly number[], ...others: readonly string[]): Float32Array {
    const own = [name, ...others].map((one) => this.find(one)).find((one) => one !== undefined);
    const found = this.weights.get(own ?? name);
    if (found === undefined) throw new UsageError(`weight «${name}» is missing`);
    if (JSON.stringify(found.shape) !== JSON.stringify(shape)) {
      throw new UsageError(
        `weight «${name}»: expected the shape [${shape.join(', ')}], found [${found.shape.join(', ')}]`,
      );
    }
    this.#taken.add(own ?? name);
    return finite(found.values, name);
  }

  /** A weight's full name: it may begin with the names of the models that hold the layer. */
  private find(name: string): string | undefined {
    if (this.weights.has(name)) return name;
    const [found, ...more] = [...this.weights.keys()].filter((full) => full.endsWith(`/${name}`));
    if (more.length === 0) return found;
    throw new UsageError(`«${name}» may be any of the weights ${[found, ...more].join(', ')}`);
  }

  requireAllKnown(graph: LayerGraph, plan: MobileNetPlan): void {
    const stages = plan.blocks.flatMap((block) => block.stages);
    const used = new Set(stages.flatMap((stage) => [stage.name, stage.batchNorm?.name]));
    for (const name of this.weights.keys()) {
      const path = name.split('/').slice(0, -1);
      const layer = path.map((_, i) => path.slice(i).join('/')).find((one) => graph.layers.has(one));
      if (!this.#taken.has(name) && (layer === undefined || used.has(layer))) {
        throw new UsageError(`weight «${name}» belongs to no layer of the network`);
      }
    }
  }
}

function finite(values: Float32Array, name: string): Float32Array {
  const at = firstNonFinite(values);
  if (at >= 0) throw new UsageError(`weight «${name}» holds ${values[at]} at index ${at}`);
  return values;
}
