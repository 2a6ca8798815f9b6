import { UsageError } from '../errors.js';
import type { JsonObject } from './json.js';

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

/** The version of the record: of the names in a run's folder and of the JSON documents. */
export const SCHEMA_VERSION = 1;

/** Throws UsageError where `document`, read from `path`, says no version or one that is newer than this program. */
export function checkSchemaVersion(document: JsonObject, path: string): void {
  const { schemaVersion } = document;
  if (typeof schemaVersion !== 'number' || !Number.isInteger(schemaVersion) || schemaVersion < 1) {
    throw new UsageError(
      `Expected a whole number from 1 as schemaVersion in ${path} but received ${JSON.stringify(schemaVersion)}. Is this the folder of a run?`,
    );
  }
  if (schemaVersion > SCHEMA_VERSION) {
    throw new UsageError(
      `${path} was written by a newer onecycle (schemaVersion ${schemaVersion}; this one reads up to ${SCHEMA_VERSION}). Update onecycle to read it.`,
    );
  }
}
