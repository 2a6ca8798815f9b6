import { UsageError } from '../errors/errors.js';
import type { ConvStage } from './conv-stage.js';
import { firstNonFinite } from './first-non-finite.js';
import { foldBatchNorm, type BatchNorm } from './fold-batch-norm.js';
import type { StageBlock } from './graph-walk.js';
import type { LayerGraph } from './layer-graph.js';
import type { MobileNetPlan } from './match-mobilenet.js';
import type { Backbone, Block, ConvUnit, Parameters } from './network.js';
import type { WeightTensor } from './read-weight-files.js';

type FilterShape = ConvUnit['filterShape'];

/**
 * The backbone of a plan with its parameters, batch norm folded in.
 *
 * Throws UsageError, naming the weight, where one is missing, has not the shape that its layer gives it,
 * is not finite, or belongs to no layer. Weights of layers outside the plan (the classifier) are passed over.
 */
export function buildBackbone(
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
  const kernel = source.take(`${name}/${kind === 'conv' ? 'kernel' : 'depthwise_kernel'}`, filterShape);
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

  take(name: string, shape: readonly number[]): Float32Array {
    const found = this.weights.get(name);
    if (found === undefined) throw new UsageError(`weight «${name}» is missing from the weights manifest`);
    if (JSON.stringify(found.shape) !== JSON.stringify(shape)) {
      throw new UsageError(
        `weight «${name}»: expected the shape [${shape.join(', ')}], found [${found.shape.join(', ')}]`,
      );
    }
    this.#taken.add(name);
    return finite(found.values, name);
  }

  requireAllKnown(graph: LayerGraph, plan: MobileNetPlan): void {
    const stages = plan.blocks.flatMap((block) => block.stages);
    const used = new Set(stages.flatMap((stage) => [stage.name, stage.batchNorm?.name]));
    for (const name of this.weights.keys()) {
      const layer = name.slice(0, name.lastIndexOf('/'));
      if (!this.#taken.has(name) && (used.has(layer) || !graph.layers.has(layer))) {
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
