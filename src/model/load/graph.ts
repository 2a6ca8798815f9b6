import { UsageError } from '../../errors.js';

/** One layer of a Keras functional model as model.json describes it. */
export interface LayerNode {
  readonly name: string;
  readonly className: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Names of the layers whose output it takes. */
  readonly inputs: readonly string[];
  /** What it is called with beside these, as an operation such as a division is. */
  readonly numbers: readonly number[];
}

/** Layers with the edges turned forwards: who takes whose output. */
export interface LayerGraph {
  readonly input: LayerNode;
  readonly layers: ReadonlyMap<string, LayerNode>;
  /** The layers that take this layer's output, in the order of the file. */
  consumers(node: LayerNode): readonly LayerNode[];
}

/** Links layers by their inbound nodes; throws UsageError for double or unknown names and for anything but one input. */
export function linkLayers(nodes: readonly LayerNode[]): LayerGraph {
  const layers = new Map<string, LayerNode>();
  for (const node of nodes) {
    if (layers.has(node.name)) throw new UsageError(`two layers are called «${node.name}»`);
    layers.set(node.name, node);
  }
  const consumers = new Map<string, LayerNode[]>(nodes.map((node) => [node.name, []]));
  for (const node of nodes) {
    for (const name of node.inputs) {
      const taken = consumers.get(name);
      if (taken === undefined) throw new UsageError(`${describe(node)} takes «${name}», which is no layer`);
      taken.push(node);
    }
  }
  const [input, ...others] = nodes.filter((node) => node.className === 'InputLayer');
  if (input === undefined || others.length > 0) {
    throw new UsageError(
      `expected one InputLayer, found ${input === undefined ? 'none' : others.length + 1}`,
    );
  }
  return { input, layers, consumers: (node) => consumers.get(node.name) ?? [] };
}

/** A layer in words for an error message. */
export function describe(...nodes: readonly LayerNode[]): string {
  if (nodes.length === 0) return 'the end of the network';
  return nodes.map((node) => `${nested(node)}${node.className} «${node.name}»`).join(' and ');
}

function nested({ className }: LayerNode): string {
  return ['Model', 'Functional', 'Sequential'].includes(className) ? 'a nested ' : '';
}
