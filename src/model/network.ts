/** A convolution with bias, and ReLU6 where the network has one; batch norm is already folded into it. */
export interface ConvUnit {
  /** Unique in the network; its parameters are `${name}/kernel` and `${name}/bias`. */
  readonly name: string;
  /** 'conv': filter [kh, kw, in, out]; 'depthwise': filter [kh, kw, channels, 1]. */
  readonly kind: 'conv' | 'depthwise';
  readonly stride: 1 | 2;
  /** Both kinds pad as TensorFlow's 'same' does (Keras's asymmetric ZeroPadding2D is the same at even sizes). */
  readonly relu6: boolean;
  /** [kh, kw, in, out] or [kh, kw, channels, 1]. */
  readonly filterShape: readonly [number, number, number, number];
}

/** Units in sequence; the block's input is added to its output where `residual`. */
export interface Block {
  readonly name: string;
  readonly units: readonly ConvUnit[];
  readonly residual: boolean;
}

/** The plan of a MobileNet without its classification layer: blocks in sequence, then a global average. */
export interface Backbone {
  readonly version: 1 | 2;
  /** Width multiplier, as read off the channels of V1's last block, V2's last inverted residual. */
  readonly alpha: number;
  /** Height and width in pixels that the weights were trained at. */
  readonly trainedSize: number;
  /** V1: the stem and 13 blocks. V2: the stem, 17 inverted residuals and Conv_1. */
  readonly blocks: readonly Block[];
  /** Channels of the last block: the length of the pooled feature vector. */
  readonly features: number;
}

/** Parameters by name, float32, in the order of the network. */
export type Parameters = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly values: Float32Array }
>;
