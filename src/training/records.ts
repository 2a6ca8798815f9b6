/** One mini-batch, as it lies in steps.jsonl. Rates are read back from the optimizer after the step. */
export interface StepRecord {
  /** Counts from 0 over the whole run. */
  readonly step: number;
  /** Counts from 1. */
  readonly epoch: number;
  /** The backbone's rate; under `--trainable head` the head's own. */
  readonly learningRate: number;
  readonly momentum: number;
  /** Mean training loss of the batch, label smoothing included. */
  readonly loss: number;
}

/** One epoch, as it lies in epochs.jsonl. */
export interface EpochRecord {
  /** Counts from 1. */
  readonly epoch: number;
  readonly trainLoss: number;
  /** Cross-entropy without label smoothing, mean over the validation images. */
  readonly validLoss: number;
  readonly validAccuracy: number;
  readonly correct: number;
  readonly total: number;
  /** Wall-clock seconds of this epoch, training and evaluation. */
  readonly seconds: number;
}

/** What the network says about one validation image. */
export interface Prediction {
  readonly predicted: number;
  /** Softmax probability of the predicted class. */
  readonly probability: number;
}
