import type { FeatureShape } from '../engine.js';

/** A network's sizes. */
export interface NetworkSizes {
  /** Pixels a side of the network's input. */
  readonly imageSize: number;
  readonly classes: number;
  /** Positions and channels of the last unit's output, over which is averaged. */
  readonly positions: number;
  readonly channels: number;
  /** Height, width and channels of one image's features: the frozen part's output, pooled where the head alone is trained. */
  readonly featureShape: FeatureShape;
  readonly featureFloats: number;
}

/** A residual connection, the units of a part counted from 0. */
export interface Residual {
  /** Where the unit ends a block: the unit whose output is added, -1 for the input of the first. */
  readonly adds: number | null;
  /** Where the unit begins a block: the unit that ends it. */
  readonly blockEnd: number | null;
}

/** One convolution of the network, and the addresses of all that belongs to it. */
export interface UnitPlan extends Residual {
  readonly kind: 'conv' | 'depthwise';
  readonly geometry: number;
  /** [height, width, in, out], or [height, width, channels] of a depthwise convolution. */
  readonly kernel: number;
  /** [out] */
  readonly bias: number;
  /** The packed filter, and the bias padded to whole panels; 0 for a depthwise convolution, which reads kernel and bias. */
  readonly panels: number;
  readonly panelBias: number;
  /** Whether the gradient of its input is needed. */
  readonly needInput: boolean;
  /** The packed transpose of the filter where that gradient needs it, else 0. */
  readonly transposed: number;
  /** Floats of one image. */
  readonly inFloats: number;
  readonly outFloats: number;
  readonly outChannels: number;
  /** Bounds of the activation. */
  readonly low: number;
  readonly high: number;
}

/** A unit that is trained. */
export interface TrainedUnitPlan extends UnitPlan {
  readonly parameters: readonly ParameterPlan[];
}

/** A trained parameter: its name and its place among all of them. */
export interface ParameterPlan {
  readonly name: string;
  /** Floats from the start of all trained parameters. */
  readonly offset: number;
  readonly length: number;
  /** Over the backbone's rate. */
  readonly rateMultiplier: number;
  readonly weightDecay: number;
}

/** One thread's buffers for a slice of n images, by address. */
export interface ArenaPlan {
  /** Network inputs [n, size, size, 3]. */
  readonly images: number;
  /** Features [n, ...featureShape]: the images themselves where nothing is frozen. */
  readonly features: number;
  /** The frozen units' outputs, except the features. */
  readonly frozen: readonly number[];
  /** The trained units' outputs; in the backward pass gradients take their place. */
  readonly trained: readonly number[];
  /** [n, channels]; in the backward pass its gradient takes its place. */
  readonly pooled: number;
  /** [n, classes]; in the backward pass their gradients take their place. */
  readonly logits: number;
  /** As large as any kernel needs. */
  readonly scratch: number;
}

/** A network on the heap, as plain data that all threads work from. */
export interface NetworkPlan extends NetworkSizes {
  readonly sliceSize: number;
  /** Images that a training batch may have at most. */
  readonly batchSize: number;
  /** Images that a job may have at most, a multiple of the slice size. */
  readonly capacity: number;
  readonly labelSmoothing: number;
  readonly frozen: readonly UnitPlan[];
  readonly trained: readonly TrainedUnitPlan[];
  readonly head: TrainedUnitPlan;
  /** Floats of all trained parameters. */
  readonly parameterFloats: number;
  readonly weights: number;
  readonly velocities: number;
  /** Gradients of slices, one row of all trained parameters each. */
  readonly rows: number;
  readonly rowCount: number;
  /** Zeros, which kernels read in place of rows outside an image or of a bias. */
  readonly zeros: number;
  readonly board: number;
  /** Of each slice of a job, float64. */
  readonly losses: number;
  /** Of each trained unit, the head last: rate and momentum that its last update used, two float64. */
  readonly usedRates: number;
  /** Of each image of a job, int32. */
  readonly labels: number;
  /** See image-table.ts. */
  readonly imageTable: number;
  readonly arenas: readonly ArenaPlan[];
}

/** All trained parameters, in the order of the network. */
export function parametersOf({ trained, head }: NetworkPlan): ParameterPlan[] {
  return [...trained, head].flatMap(({ parameters }) => parameters);
}
