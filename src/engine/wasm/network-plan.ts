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
  /** The kernel, then the bias or gamma and beta. */
  readonly parameters: readonly ParameterPlan[];
  /** Null where the convolution has a bias. With batch norm the unit's bias is zeros, and its bounds are those after batch norm. */
  readonly batchNorm: BatchNormPlan | null;
}

/** Batch norm of a unit. Addresses are of one number a channel, float32 where nothing else is said. */
export interface BatchNormPlan {
  readonly epsilon: number;
  readonly momentum: number;
  readonly gamma: number;
  readonly beta: number;
  /** Of gamma and beta in a row of gradients, in floats. */
  readonly gammaOffset: number;
  readonly betaOffset: number;
  /** The running mean and variance. */
  readonly statistics: { readonly mean: StatisticPlan; readonly variance: StatisticPlan };
  /** Mean and biased variance of the batch, [2, channels], float64. */
  readonly batchMoments: number;
}

/** Running statistics by name. */
export interface StatisticPlan {
  readonly name: string;
  readonly address: number;
  readonly length: number;
}

/** What is kept of a trained unit for a whole mini-batch, where any has batch norm. */
export interface LayerPlan {
  /** Where the kernels read it: see the class in kernels/batch-norm.as.ts. */
  readonly layer: number;
  /** [batch, positions, channels]: what the convolution gave; 0 where it is computed anew as it is read. */
  readonly z: number;
  /** [batch, positions, channels]: the unit's outputs, at a residual block's end; else 0, and they are computed from z. */
  readonly values: number;
  /**
   * [batch, positions, channels]: the gradient of what came before the activation; 0 where it is not kept. It lies where maps of
   * later units were.
   */
  readonly gradient: number;
  /** What computes z anew. */
  readonly recomputed: RecomputedPlan | null;
  /** The factors of the channels, as the kernels' class has them; the latter two over `stretch` floats of a map. */
  readonly mean: number;
  readonly forward: number;
  readonly backward: number;
  readonly stretch: number;
  readonly positions: number;
  readonly channels: number;
  /**
   * Of each part of a batch, float64: sums of z and of its squares [2, channels], or where z is computed anew of what it is made
   * from and of the products of that; later of gradients.
   */
  readonly sums: number;
  /** Numbers of a part among them. */
  readonly sumCount: number;
}

/** What makes a unit's z anew, by address: see the class in kernels/recomputed.as.ts. */
export interface RecomputedPlan {
  readonly address: number;
  /** Of the source. */
  readonly channels: number;
}

/** How a whole mini-batch moves through the trained units, one unit after another. */
export interface BatchPlan {
  /** Images of a part of a batch, which one thread takes at a time, by the size of full batches alone. */
  readonly partSize: number;
  /** [batch, ...featureShape]: the frozen part's outputs, where the batch comes as images. */
  readonly features: number;
  /** The features as the kernels read a layer. */
  readonly featureLayer: number;
  readonly layers: readonly LayerPlan[];
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
  /** The trained units' outputs; in the backward pass of a slice gradients take their place. */
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
  /** As the setup has them. */
  readonly classWeights: readonly number[] | undefined;
  readonly frozen: readonly UnitPlan[];
  readonly trained: readonly TrainedUnitPlan[];
  readonly head: TrainedUnitPlan;
  /** The trained units as evaluations compute them: with running batch norm folded into kernel and bias. */
  readonly evaluated: readonly UnitPlan[];
  /** Where a trained unit has batch norm. */
  readonly batch: BatchPlan | null;
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
  /** Of each slice or part of a job, float64. */
  readonly losses: number;
  readonly lossCount: number;
  /** Of each trained unit, the head last: rate and momentum that its last update used, two float64. */
  readonly usedRates: number;
  /** Of each image of a job, int32. */
  readonly labels: number;
  /** See input-area.ts. */
  readonly imageTable: number;
  readonly arenas: readonly ArenaPlan[];
}

/** All trained parameters, in the order of the network. */
export function parametersOf({ trained, head }: NetworkPlan): ParameterPlan[] {
  return [...trained, head].flatMap(({ parameters }) => parameters);
}

/** The running statistics of all trained units, in the order of the network. */
export function statisticsOf({ trained }: NetworkPlan): StatisticPlan[] {
  return trained.flatMap(({ batchNorm }) => (batchNorm === null ? [] : Object.values(batchNorm.statistics)));
}
