import { z } from 'zod';
import { UsageError } from '../../errors.js';
import type { LayerNode } from './graph.js';

/** A network or a layer as Keras serializes it; of a nested model `inbound_nodes` says what it takes. */
export interface RawLayer {
  readonly class_name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly name?: string | undefined;
  readonly inbound_nodes?: readonly unknown[] | undefined;
}

// Old versions of Keras give Sequential models a bare list of layers.
const config = z.preprocess(
  (value) => (Array.isArray(value) ? { layers: value } : value),
  z.record(z.string(), z.unknown()),
);
const layerSchema = z.object({
  class_name: z.string(),
  config,
  name: z.string().optional(),
  inbound_nodes: z.array(z.unknown()).optional(),
});
const MODELS = new Set(['Model', 'Functional', 'Sequential']);

/**
 * The layers of a network as one graph: models within it, as Teachable Machine and transfer learning in Keras have them, are taken
 * apart, and Keras 3's way of saying what a layer takes becomes Keras 2's. Names stay as they are where no two models share one.
 * Throws UsageError for whatever is no layer, and for layers and models that are used twice or have several inputs or outputs.
 */
export function layersOf(network: unknown): LayerNode[] {
  const flat = new FlatNetwork();
  flat.take(readLayer(network, 'modelTopology'), '', undefined, '');
  return flat.layers();
}

/** Layers by their paths through the models that hold them, `model/layer`. */
class FlatNetwork {
  private readonly nodes: LayerNode[] = [];
  /** What stands for a nested model's input, and for the model itself: what it takes, and its output. */
  private readonly aliases = new Map<string, string>();

  /**
   * Adds a model's layers and answers the path of its output.
   * @param path of the model, with a slash at its end; empty for the whole network
   * @param feed what a nested model takes
   * @param where the model lies in the file, with a dot at its end; empty for the whole network
   */
  take(model: RawLayer, path: string, feed: string | undefined, where: string): string {
    const { layers } = model.config;
    if (!Array.isArray(layers)) throw new UsageError(`expected a list of layers in ${where}config`);
    const raws = layers.map((layer, i) => readLayer(layer, `${where}layers[${i}]`));
    if (model.class_name === 'Sequential') return this.takeChain(model, raws, path, feed, where);
    return this.takeGraph(model, raws, path, feed, where);
  }

  /** A Sequential model has no inbound nodes: each layer takes the one before, the first may declare the input. */
  private takeChain(
    model: RawLayer,
    raws: readonly RawLayer[],
    path: string,
    feed: string | undefined,
    where: string,
  ): string {
    let at = feed;
    for (const [i, raw] of raws.entries()) {
      const own = path + nameOf(raw);
      if (isModel(raw)) {
        at = this.take(raw, `${own}/`, at, `${where}layers[${i}].config.`);
        continue;
      }
      if (raw.class_name === 'InputLayer' && at !== undefined) continue;
      if (raw.class_name !== 'InputLayer' && at === undefined) {
        at = `${path}input`;
        const batch_input_shape = raw.config['batch_input_shape'] ?? model.config['build_input_shape'];
        this.add({ ...raw, class_name: 'InputLayer', config: { batch_input_shape } }, at, []);
      }
      this.add(raw, own, at === undefined ? [] : [at]);
      at = own;
    }
    return at ?? '';
  }

  private takeGraph(
    model: RawLayer,
    raws: readonly RawLayer[],
    path: string,
    feed: string | undefined,
    where: string,
  ): string {
    for (const [i, raw] of raws.entries()) {
      const own = path + nameOf(raw);
      const { tensors } = calledWith(raw);
      const inputs = tensors.map((name) => path + name);
      if (isModel(raw)) {
        const [input] = inputs;
        if (input === undefined || inputs.length > 1) {
          throw new UsageError(`the nested model «${nameOf(raw)}» has ${inputs.length} inputs, expected one`);
        }
        this.aliases.set(own, this.take(raw, `${own}/`, input, `${where}layers[${i}].config.`));
      } else if (raw.class_name === 'InputLayer' && feed !== undefined) this.aliases.set(own, feed);
      else this.add(raw, own, inputs);
    }
    const outputs = operandsIn(model.config['output_layers']).tensors;
    if (feed !== undefined && outputs.length > 1) {
      throw new UsageError(`the nested model «${nameOf(model)}» has ${outputs.length} outputs, expected one`);
    }
    return path + (outputs[0] ?? nameOf(raws.at(-1) ?? model));
  }

  private add(raw: RawLayer, path: string, inputs: readonly string[]): void {
    const { class_name: className, config: options } = raw;
    this.nodes.push({ name: path, className, config: options, inputs, numbers: calledWith(raw).numbers });
  }

  /** All layers under their own names, or under their paths where models share a name. */
  layers(): LayerNode[] {
    const paths = new Map<string, Set<string>>();
    for (const { name } of this.nodes) {
      const plain = lastOf(name);
      paths.set(plain, (paths.get(plain) ?? new Set()).add(name));
    }
    const named = (path: string) => (paths.get(lastOf(path))?.size === 1 ? lastOf(path) : path);
    return this.nodes.map((node) => ({
      ...node,
      name: named(node.name),
      inputs: node.inputs.map((input) => named(this.resolve(input))),
    }));
  }

  private resolve(path: string): string {
    let at = path;
    for (let turns = 0; turns <= this.aliases.size; turns++) {
      const other = this.aliases.get(at);
      if (other === undefined) return at;
      at = other;
    }
    throw new UsageError(`«${path}» takes its own output`);
  }
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Throws UsageError, saying where it lies, for what is no layer. */
export function readLayer(value: unknown, where: string): RawLayer {
  const parsed = layerSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, 3);
  throw new UsageError(
    `this is no network as Keras describes one, by ${where}: ${z.prettifyError({ issues })}`,
  );
}

/** Whether a layer is a model within the model. */
export function isModel({ class_name: className, config: { layers } }: RawLayer): boolean {
  return MODELS.has(className) && Array.isArray(layers);
}

/** Throws UsageError where a layer has no name. */
export function nameOf({ name, config: { name: own }, class_name: className }: RawLayer): string {
  const found = name ?? own;
  if (typeof found !== 'string') throw new UsageError(`a ${className} layer has no name`);
  return found;
}

/** What a layer is called with: outputs of other layers by their names, and numbers. */
interface Operands {
  readonly tensors: readonly string[];
  readonly numbers: readonly number[];
}

/** Throws UsageError where a layer is called more than once. */
function calledWith(raw: RawLayer): Operands {
  const [call, ...others] = raw.inbound_nodes ?? [];
  if (others.length > 0) throw new UsageError(`layer «${nameOf(raw)}» is used more than once`);
  return operandsIn(call);
}

/**
 * Keras 2 writes an output as [layer, node, tensor, { further arguments }], Keras 3 as an object of the class __keras_tensor__ with
 * that in its `keras_history`, among the `args` and `kwargs` of the call.
 */
function operandsIn(value: unknown): Operands {
  if (typeof value === 'number') return { tensors: [], numbers: [value] };
  if (typeof value !== 'object' || value === null) return { tensors: [], numbers: [] };
  if (Array.isArray(value)) {
    const [layer, node, tensor, further]: readonly unknown[] = value;
    if (typeof layer !== 'string' || typeof node !== 'number' || typeof tensor !== 'number') {
      return joined(value);
    }
    const { tensors, numbers } = operandsIn(further);
    return { tensors: [layer, ...tensors], numbers };
  }
  const history = historySchema.safeParse(value);
  return history.success
    ? { tensors: [history.data.config.keras_history[0]], numbers: [] }
    : joined(Object.values(value));
}

const historySchema = z.object({
  class_name: z.literal('__keras_tensor__'),
  config: z.object({ keras_history: z.tuple([z.string()], z.unknown()) }),
});

function joined(values: readonly unknown[]): Operands {
  const all = values.map(operandsIn);
  return {
    tensors: all.flatMap(({ tensors }) => tensors),
    numbers: all.flatMap(({ numbers }) => numbers),
  };
}
