import type { CropBox, DecodedImage } from '../data/images/image.js';
import type { Rates } from '../schedule/schedule.js';
import type { TrainedState } from './params.js';

/** What one step did. */
export interface StepOutcome {
  /** Mean loss of the batch before the update, weighted by class where the setup says so. */
  readonly loss: number;
  /** As the update of the weights used them. */
  readonly rates: Rates;
}

/** A step whose loss is still being computed. */
export interface BegunStep {
  /** Reads the loss, once; waits for the device. */
  readonly loss: () => Promise<number>;
  readonly rates: Rates;
}

/** Steps on a device that computes alongside the program: each reading of a loss makes the two wait for each other. */
export interface LateSteps {
  /** Steps between two readings of the losses. */
  readonly every: number;
  /** As `step`; a loss that is never read is freed with the engine. */
  begin(input: NetworkInput, labels: Int32Array, rates: Rates): Promise<BegunStep>;
}

/**
 * Computes with one network. The results are bit-identical for any number of threads.
 *
 * Every method throws RunError where the device or a thread has died, and Error after `dispose`.
 */
export interface Engine {
  /** Images per slice of a training batch; on the record. */
  readonly sliceSize: number;
  /** Threads that compute. */
  readonly workers: number;
  /** Outputs of the frozen part for one image. */
  readonly featureShape: FeatureShape;
  /** Equal for engines whose features are bit-identical; absent where a driver or a device may change them. */
  readonly featureIdentity?: string | undefined;
  /** Outputs of the frozen part, n x h x w x c values. */
  features(input: ImageInput): Promise<Float32Array>;
  /** One mini-batch: gradients slice by slice, summed in order, one update. */
  step(input: NetworkInput, labels: Int32Array, rates: Rates): Promise<StepOutcome>;
  /** Where it pays to read losses late. */
  readonly late?: LateSteps | undefined;
  /** n x classes values. */
  logits(input: NetworkInput): Promise<Float32Array>;
  snapshot(): Promise<TrainedState>;
  /** Throws Error, and changes nothing, where the state is of another network. */
  restore(state: TrainedState): Promise<void>;
  dispose(): Promise<void>;
}

/** The values of all parts, one after another. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** What a batch or a slice of it brings to the network. */
export type NetworkInput = ImageInput | FeatureInput;

/** Images, each with the part of it that the network sees. */
export interface ImageInput {
  readonly kind: 'images';
  readonly images: readonly DecodedImage[];
  readonly boxes: readonly CropBox[];
}

/** Outputs of the frozen part, n x h x w x c values; `shape` is that of one image. */
export interface FeatureInput {
  readonly kind: 'features';
  readonly values: Float32Array;
  readonly shape: FeatureShape;
}

/** Height, width and channels of one image's features. */
export type FeatureShape = readonly [number, number, number];

/** Images from..to of an input, sharing its memory. */
export function sliceInput(input: NetworkInput, from: number, to: number): NetworkInput {
  if (input.kind === 'images') {
    return { kind: 'images', images: input.images.slice(from, to), boxes: input.boxes.slice(from, to) };
  }
  const [h, w, c] = input.shape;
  return { ...input, values: input.values.subarray(from * h * w * c, to * h * w * c) };
}

/** Images in an input. */
export function inputLength(input: NetworkInput): number {
  if (input.kind === 'images') return input.images.length;
  const [h, w, c] = input.shape;
  return input.values.length / (h * w * c);
}
