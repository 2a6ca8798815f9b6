import type { EpochRecord, StepRecord } from '../training/records.js';
import { isJsonObject, type JsonObject, type JsonValue } from './json.js';
import type { PredictionRecord, RunEvent } from './run-layout.js';

const STEP = ['step', 'epoch', 'learningRate', 'momentum', 'loss'] as const;
const EPOCH = ['epoch', 'trainLoss', 'validLoss', 'validAccuracy', 'correct', 'total', 'seconds'] as const;
const PREDICTION = ['predicted', 'probability'] as const;

/** What one line of a JSONL file must be; other keys than these may be there too. */
export interface Shape<T> {
  /** For messages, such as «a step with ...». */
  readonly expected: string;
  matches(line: JsonObject): line is JsonObject & T;
}

/** A line of steps.jsonl. */
export const stepShape: Shape<StepRecord> = {
  expected: `the numbers ${STEP.join(', ')}`,
  matches: (line): line is JsonObject & StepRecord => hasNumbers(line, STEP),
};

/** A line of epochs.jsonl. */
export const epochShape: Shape<EpochRecord> = {
  expected: `the numbers ${EPOCH.join(', ')}`,
  matches: (line): line is JsonObject & EpochRecord => hasNumbers(line, EPOCH),
};

/** A line of predictions.jsonl. */
export const predictionShape: Shape<PredictionRecord> = {
  expected: `image, label, and final and best with the numbers ${PREDICTION.join(' and ')}`,
  matches: (line): line is JsonObject & PredictionRecord =>
    typeof line['image'] === 'string' &&
    hasNumbers(line, ['label']) &&
    hasNumbers(line['final'], PREDICTION) &&
    hasNumbers(line['best'], PREDICTION),
};

/** A line of events.jsonl. */
export const eventShape: Shape<RunEvent> = {
  expected: 'the texts type and text, and the numbers step and epoch',
  matches: (line): line is JsonObject & RunEvent =>
    typeof line['type'] === 'string' &&
    typeof line['text'] === 'string' &&
    hasNumbers(line, ['step', 'epoch']),
};

function hasNumbers(value: JsonValue | undefined, keys: readonly string[]): boolean {
  return isJsonObject(value) && keys.every((key) => typeof value[key] === 'number');
}
