import { z } from 'zod';
import { messageOf, UsageError } from '../../errors.js';
import { parseJson } from '../../files.js';
import type { LayerNode } from './graph.js';
import { layersOf } from './layers.js';

/** Files of weights and the tensors that lie in them, one after another. */
export interface WeightGroup {
  readonly paths: readonly string[];
  readonly weights: readonly WeightEntry[];
}

/** A weight that is stored in fewer bits: as float16, or as `step` for step * scale + min. */
export type Quantization = z.output<typeof quantizationSchema>;

/** A tensor as the manifest declares it; `quantization` is there where its bytes are no plain float32. */
export interface WeightEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly quantization?: Quantization | undefined;
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
const groupSchema = z.object({ paths: z.array(z.string()).min(1), weights: z.array(z.unknown()) });
const quantizationSchema = z.union(
  [
    z.object({ dtype: z.literal('float16') }),
    z.object({ dtype: z.enum(['uint8', 'uint16']), min: z.number(), scale: z.number() }),
  ],
  { error: 'expected a dtype of float16, or of uint8 or uint16 with min and scale' },
);
const weightSchema = z.object({
  name: z.string(),
  shape: z.array(z.number().int().nonnegative()),
  dtype: z.string(),
  quantization: quantizationSchema.optional(),
  group: z.string().optional(),
});
const formatSchema = z.object({ format: z.string().optional() });

/**
 * Reads the text of a layers-model's model.json, as TFJS's `save` and the converters of Keras 2 and 3 write it,
 * into its layers and its weights manifest. Throws UsageError saying where it departs from that.
 */
export function parseModelJson(text: string): ModelJson {
  const json = readText(text);
  const format = formatSchema.safeParse(json).data?.format ?? 'layers-model';
  if (format !== 'layers-model') {
    const graph =
      format === 'graph-model'
        ? '. A graph-model is frozen and cannot be trained: convert the Keras model that it was made from, with tensorflowjs_converter --input_format=keras'
        : '';
    throw new UsageError(`expected the format "layers-model", found ${JSON.stringify(format)}${graph}`);
  }
  const { modelTopology, weightsManifest } = check(fileSchema, json, 'the file');
  // The converter of Keras wraps the network in model_config; tfjs's own `save` does not.
  const layers = layersOf(modelTopology['model_config'] ?? modelTopology);
  const manifest = weightsManifest.map((value, i) => {
    const group = check(groupSchema, value, `weightsManifest[${i}]`);
    const weights = group.weights.map((w, j) =>
      check(weightSchema, w, `weightsManifest[${i}].weights[${j}]`),
    );
    return { paths: group.paths, weights };
  });
  return { layers, manifest };
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

function readText(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    throw new UsageError(`this is no JSON: ${messageOf(error)}`);
  }
}
