import { UsageError } from '../errors/errors.js';
import { readConvStage, type ConvStage } from './conv-stage.js';
import { describe, type LayerGraph, type LayerNode } from './layer-graph.js';

/** Convolutions in sequence, the input added to the output where `residual`. */
export interface StageBlock {
  readonly name: string;
  readonly stages: readonly ConvStage[];
  readonly residual: boolean;
}

/** A position in a graph of layers that moves forward along its edges, a convolution or a block at a time. */
export class GraphWalk {
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
