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

/**
 * What changed the course of a run, as it lies in events.jsonl: without it steps.jsonl could not be explained by
 * config.json alone. The file is there only where something happened.
 */
export interface RunEvent {
  /** `early-stop`: validation stopped improving; `extended`: `--extend-to`; `backend`: resumed on another one. */
  readonly type: 'early-stop' | 'extended' | 'backend';
  /** The first step that it concerns, from 0. */
  readonly step: number;
  /** The last finished epoch by then. */
  readonly epoch: number;
  /** A sentence for the user. */
  readonly text: string;
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
  events: 'events.jsonl',
  predictions: 'predictions.jsonl',
  result: 'result.json',
  checkpoints: 'checkpoints',
  model: 'model',
} as const;
