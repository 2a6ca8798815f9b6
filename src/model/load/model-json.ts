import { z } from 'zod';
import { messageOf, UsageError } from '../../errors.js';
import type { LayerNode } from './graph.js';

/** Files of weights and the tensors that lie in them, one after another. */
export interface WeightGroup {
  readonly paths: readonly string[];
  readonly weights: readonly WeightEntry[];
}

/** A tensor as the manifest declares it; `quantization` is there where its bytes are no plain float32. */
export interface WeightEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly quantization?: unknown;
  /** 'optimizer' for the state of an optimizer that was saved along. */
  readonly group?: string | undefined;
}

/** What a layers-model's model.json says. */
export interface ModelJson {
  readonly layers: readonly LayerNode[];
  readonly manifest: readonly WeightGroup[];
}

const fileSchema = z.object({
  modelTopology: z.record(z.string(), z.unknown()),
  weightsManifest: z.array(z.unknown()),
});
const networkSchema = z.object({
  class_name: z.string(),
  // Sequential models of old versions of Keras have the list of layers here.
  config: z.preprocess(
    (config) => (Array.isArray(config) ? { layers: config } : config),
    z.object({ layers: z.array(z.unknown()) }),
  ),
});
const inboundTensor = z.tuple([z.string(), z.number(), z.number()], z.unknown());
const layerSchema = z.object({
  class_name: z.string(),
  config: z.record(z.string(), z.unknown()),
  name: z.string().optional(),
  inbound_nodes: z.array(z.array(inboundTensor)).optional(),
});
const groupSchema = z.object({ paths: z.array(z.string()).min(1), weights: z.array(z.unknown()) });
const weightSchema = z.object({
  name: z.string(),
  shape: z.array(z.number().int().nonnegative()),
  dtype: z.string(),
  quantization: z.unknown().optional(),
  group: z.string().optional(),
});
const formatSchema = z.object({ format: z.string().optional() });

/**
 * Reads the text of a layers-model's model.json, as TFJS's `save` and the converter of Keras 2 write it,
 * into its layers and its weights manifest. Throws UsageError saying where it departs from that.
 */
export function parseModelJson(text: string): ModelJson {
  const json = parseJson(text);
  const format = formatSchema.safeParse(json).data?.format ?? 'layers-model';
  if (format !== 'layers-model') {
    throw new UsageError(`expected the format "layers-model", found ${JSON.stringify(format)}`);
  }
  const { modelTopology, weightsManifest } = check(fileSchema, json, 'the file');
  // The converter of Keras wraps the network in model_config; tfjs's own `save` does not.
  const network = check(networkSchema, modelTopology['model_config'] ?? modelTopology, 'modelTopology');
  const layers = network.config.layers.map((layer, i) => check(layerSchema, layer, `layers[${i}]`));
  const manifest = weightsManifest.map((value, i) => {
    const group = check(groupSchema, value, `weightsManifest[${i}]`);
    const weights = group.weights.map((w, j) =>
      check(weightSchema, w, `weightsManifest[${i}].weights[${j}]`),
    );
    return { paths: group.paths, weights };
  });
  return { layers: network.class_name === 'Sequential' ? chain(layers) : layers.map(functional), manifest };
}

/** One element at a time: a list of a million wrong ones then says where the first is, and no more. */
function check<Schema extends z.ZodType>(schema: Schema, value: unknown, where: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, 3);
  throw new UsageError(
    `this is no model.json of a TFJS layers-model, by ${where}: ${z.prettifyError({ issues })}`,
  );
}

type RawLayer = z.infer<typeof layerSchema>;

function functional(raw: RawLayer): LayerNode {
  const name = nameOf(raw);
  const [calls = [], ...shared] = raw.inbound_nodes ?? [];
  if (shared.length > 0) throw new UsageError(`layer «${name}» is used more than once`);
  return { name, className: raw.class_name, config: raw.config, inputs: calls.map(([from]) => from) };
}

/** A Sequential model has no inbound nodes: each layer takes the one before, the first may declare the input. */
function chain(raws: readonly RawLayer[]): LayerNode[] {
  const nodes: LayerNode[] = [];
  const [first] = raws;
  if (first !== undefined && first.class_name !== 'InputLayer') {
    nodes.push({ name: 'input', className: 'InputLayer', config: first.config, inputs: [] });
  }
  for (const raw of raws) {
    const before = nodes.at(-1);
    const inputs = before === undefined ? [] : [before.name];
    nodes.push({ name: nameOf(raw), className: raw.class_name, config: raw.config, inputs });
  }
  return nodes;
}

function nameOf({ name, config, class_name: className }: RawLayer): string {
  const found = name ?? config['name'];
  if (typeof found !== 'string') throw new UsageError(`a ${className} layer has no name`);
  return found;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`this is no JSON: ${messageOf(error)}`);
  }
}
