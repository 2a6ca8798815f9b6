import type { Prediction } from '../training/records.js';

/** What the network says about one validation image, as it lies in predictions.jsonl. */
export interface PredictionRecord {
  /** Relative to the data folder. */
  readonly image: string;
  /** Index of the true class. */
  readonly label: number;
  /** After the last epoch, and with the weights of the best one. */
  readonly final: Prediction;
  readonly best: Prediction;
}

/** How a run ended; further keys are the caller's. */
export interface RunResult {
  readonly status: 'completed' | 'interrupted' | 'failed';
}

/** Where things lie in a run's folder. */
export const RUN_FILES = {
  config: 'config.json',
  environment: 'environment.json',
  dataset: 'dataset.json',
  steps: 'steps.jsonl',
  epochs: 'epochs.jsonl',
  predictions: 'predictions.jsonl',
  result: 'result.json',
  checkpoints: 'checkpoints',
  model: 'model',
} as const;
