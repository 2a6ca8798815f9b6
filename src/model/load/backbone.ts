import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { messageOf, UsageError } from '../../errors.js';
import { readWholeFile } from '../../files.js';
import {
  type Backbone,
  type Block,
  type ConvUnit,
  firstNonFinite,
  type Head,
  type Parameters,
} from '../network.js';
import type { ConvStage } from './conv-stage.js';
import { type BatchNorm, foldBatchNorm } from './fold.js';
import { describe, type LayerGraph, linkLayers } from './graph.js';
import { matchMobileNet, type MobileNetPlan, type StageBlock } from './match.js';
import { parseModelJson } from './model-json.js';
import { readWeightFiles, type WeightTensor } from './weight-files.js';

/** A MobileNet as read from disk, as plain data that may cross threads. */
export interface LoadedBackbone {
  readonly backbone: Backbone;
  /** Batch norm folded; each its own array. */
  readonly parameters: Parameters;
  /** Of model.json's bytes followed by those of the weight files in the manifest's order, in hexadecimal. */
  readonly sha256: string;
}

const maxJsonBytes = 50 * 2 ** 20;

/**
 * Reads the MobileNet V1 or V2 of a TFJS layers-model, of any width, with or without its classification
 * layers and with batch norm separate or folded already. Each file is read once.
 * Throws UsageError, naming the file, for anything that is not such a network with finite float32 weights.
 */
export function loadBackbone(modelJsonPath: string): Promise<LoadedBackbone> {
  return explained(modelJsonPath, async () => (await load(modelJsonPath)).loaded);
}

/** A fine-tuned MobileNet as read from disk. */
export interface LoadedClassifier extends LoadedBackbone {
  readonly head: Head;
}

/**
 * Reads a classifier as `saveLayersModel` writes it: the backbone, a global average, and one dense layer with softmax.
 * Throws UsageError, naming the file, for anything else.
 */
export function loadClassifier(modelJsonPath: string): Promise<LoadedClassifier> {
  return explained(modelJsonPath, async () => {
    const { loaded, plan, graph, weights } = await load(modelJsonPath);
    return { ...loaded, head: readHead(plan, graph, weights, loaded.backbone.features) };
  });
}

async function explained<T>(modelJsonPath: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(
      `weights ${modelJsonPath}: ${error.message}\nExpected a TFJS layers-model of MobileNet V1 or V2 in float32, ` +
        'as tensorflowjs_converter or tfjs save one.',
      { cause: error },
    );
  }
}

async function load(path: string) {
  const json = await readJson(path);
  const { layers, manifest } = parseModelJson(json.toString('utf8'));
  const graph = linkLayers(layers);
  const plan = orSayWhatItIs(json, () => matchMobileNet(graph));
  const hash = createHash('sha256').update(json);
  const weights = await readWeightFiles(dirname(path), manifest, (bytes) => void hash.update(bytes));
  const loaded: LoadedBackbone = { ...buildBackbone(plan, graph, weights), sha256: hash.digest('hex') };
  return { loaded, plan, graph, weights };
}

/** What people try most often, by the names that Keras gives them. */
const OTHERS =
  /"name": ?"((?:convnext|densenet|efficientnet|inception|mobilenet_?v3|nasnet|resnet|vgg|xception)[\w.-]*)"/iu;

function orSayWhatItIs<Result>(json: Buffer, match: () => Result): Result {
  try {
    return match();
  } catch (error) {
    const [, other] = OTHERS.exec(json.toString('utf8')) ?? [];
    if (!(error instanceof UsageError) || other === undefined) throw error;
    throw new UsageError(`this is «${other}», another network than a MobileNet V1 or V2: ${error.message}`);
  }
}

async function readJson(path: string): Promise<Buffer> {
  return readWholeFile(path, maxJsonBytes).catch((error: unknown) => {
    throw new UsageError(`cannot be read: ${messageOf(error)}`, { cause: error });
  });
}

type FilterShape = ConvUnit['filterShape'];

/**
 * The backbone of a plan with its parameters, batch norm folded in.
 *
 * Throws UsageError, naming the weight, where one is missing, has not the shape that its layer gives it,
 * is not finite, or belongs to no layer. Weights of layers outside the plan (the classifier) are passed over.
 */
function buildBackbone(
  plan: MobileNetPlan,
  graph: LayerGraph,
  weights: ReadonlyMap<string, WeightTensor>,
): { backbone: Backbone; parameters: Parameters } {
  const source = new WeightSource(weights);
  const parameters = new Map<string, WeightTensor>();
  let channels = 3;
  const blocks = plan.blocks.map((block): Block => {
    const inputChannels = channels;
    const units = block.stages.map((stage) => {
      const unit = readUnit(stage, channels, source, parameters);
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

function readUnit(
  stage: ConvStage,
  channels: number,
  source: WeightSource,
  into: Map<string, WeightTensor>,
): ConvUnit {
  const { name, kind, stride, relu6 } = stage;
  const out = stage.filters ?? channels;
  const filterShape: FilterShape = [...stage.kernelSize, channels, kind === 'conv' ? out : 1];
  const kernel =
    kind === 'conv'
      ? source.take(`${name}/kernel`, filterShape)
      : source.take(`${name}/depthwise_kernel`, filterShape, `${name}/kernel`);
  const bias = stage.useBias ? source.take(`${name}/bias`, [out]) : new Float32Array(out);
  const folded = foldBatchNorm({ kernel, bias }, batchNormOf(stage, out, source));
  into.set(`${name}/kernel`, { shape: filterShape, values: finite(folded.kernel, `${name}/kernel`) });
  into.set(`${name}/bias`, { shape: [out], values: finite(folded.bias, `${name}/bias`) });
  return { name, kind, stride, relu6, filterShape };
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
    if (found === undefined) throw new UsageError(`weight «${name}» is missing from the weights manifest`);
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
