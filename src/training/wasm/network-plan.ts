/** One convolution of the network with the places of everything that belongs to it, in bytes from the heap's start. */
export interface UnitPlan {
  readonly kind: 'conv' | 'depthwise';
  readonly geometry: number;
  readonly kernel: number;
  readonly bias: number;
  /** The packed filter and the bias filled up to whole panels; a depthwise convolution takes kernel and bias as they are. */
  readonly panels: number;
  readonly panelBias: number;
  /** The packed transpose, or 0 where nobody asks for the input's gradient. */
  readonly transposed: number;
  /** Floats of one image. */
  readonly inFloats: number;
  readonly outFloats: number;
  readonly outChannels: number;
  /** Bounds of the activation. */
  readonly low: number;
  readonly high: number;
  /** Where the unit ends a residual block: the unit whose output is added, by index, -1 for the input of the first. */
  readonly adds: number | null;
  /** Where the unit begins a residual block: the unit that ends it, by index. */
  readonly blockEnd: number | null;
}

/** A trained parameter: its name and its place among all of them. */
export interface ParameterPlan {
  readonly name: string;
  /** Floats from the start of all trained parameters. */
  readonly offset: number;
  readonly length: number;
  /** Index among the trained units, the head's being their number. */
  readonly unit: number;
  /** Over the backbone's rate. */
  readonly rateMultiplier: number;
  readonly weightDecay: number;
}

/** What one thread works in: addresses of buffers for one slice of images. */
export interface ArenaPlan {
  /** Network inputs [n, size, size, 3]. */
  readonly images: number;
  /** Outputs of the frozen part. */
  readonly features: number;
  /** The frozen units' outputs: three buffers in turns. */
  readonly frozen: readonly number[];
  /** The trained units' outputs; in the backward pass gradients take their place. */
  readonly trained: readonly number[];
  readonly pooled: number;
  /** Logits; in the backward pass their gradients take their place. */
  readonly logits: number;
  readonly scratch: number;
}

/** A network on the heap as plain data, which all threads work from. */
export interface NetworkPlan {
  readonly sliceSize: number;
  /** Images that a job may have at most. */
  readonly capacity: number;
  readonly imageSize: number;
  readonly classes: number;
  readonly labelSmoothing: number;
  readonly frozen: readonly UnitPlan[];
  readonly trained: readonly UnitPlan[];
  readonly head: UnitPlan;
  /** Positions and channels of the last unit's output, over which is averaged. */
  readonly positions: number;
  readonly channels: number;
  /** Floats of one image's features. */
  readonly featureFloats: number;
  readonly parameters: readonly ParameterPlan[];
  /** Floats of all trained parameters. */
  readonly parameterFloats: number;
  readonly weights: number;
  readonly velocities: number;
  /** Gradients of slices, one row of all trained parameters each. */
  readonly rows: number;
  readonly rowCount: number;
  readonly zeros: number;
  readonly board: number;
  /** Of each slice of a job, float64. */
  readonly losses: number;
  /** Of each image of a job, int32. */
  readonly labels: number;
  /** See image-table.ts. */
  readonly imageTable: number;
  readonly arenas: readonly ArenaPlan[];
}
