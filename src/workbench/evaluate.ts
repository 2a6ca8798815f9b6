import type { Engine } from '../engine/engine.js';
import type { Prediction } from '../runs/documents.js';
import { classAverages, type ClassAverages, confusionOf } from '../stats/classes.js';
import type { Worked } from './events.js';
import type { TrainingBatch } from './steps.js';

/** What the network makes of a list of labelled images. */
export interface Evaluation extends ClassAverages {
  /** Mean cross-entropy, without label smoothing. */
  readonly loss: number;
  readonly accuracy: number;
  readonly correct: number;
  readonly total: number;
  /** One for each image, in the order of the batches. */
  readonly predictions: readonly Prediction[];
}

/** Runs the network over all batches; the weights stay as they are. */
export async function evaluate(
  engine: Engine,
  batches: AsyncIterable<TrainingBatch>,
  worked: Worked = () => undefined,
): Promise<Evaluation> {
  const predictions: Prediction[] = [];
  const judged: { label: number; predicted: number }[] = [];
  let lossSum = 0;
  let correct = 0;
  let classes = 0;
  for await (const { input, labels } of batches) {
    const logits = await engine.logits(input);
    classes = logits.length / labels.length;
    labels.forEach((label, i) => {
      const { prediction, loss } = judge(logits.subarray(i * classes, (i + 1) * classes), label);
      predictions.push(prediction);
      judged.push({ label, predicted: prediction.predicted });
      lossSum += loss;
      // Logits of a network that has become NaN have no largest: nothing was predicted.
      if (prediction.predicted === label && !Number.isNaN(loss)) correct++;
    });
    worked('evaluate', labels.length);
  }
  const total = predictions.length;
  const byClass = classAverages(confusionOf(judged, classes));
  return { loss: lossSum / total, accuracy: correct / total, correct, total, ...byClass, predictions };
}

function judge(logits: Float32Array, label: number): { prediction: Prediction; loss: number } {
  const { predicted, largest, sum } = shifted(logits);
  const loss = Math.log(sum) + largest - (logits[label] ?? NaN);
  return { prediction: { predicted, probability: 1 / sum }, loss };
}

/** The classes' probabilities by one image's logits; that of the predicted class is the one that predictions.jsonl holds. */
export function softmax(logits: Float32Array): Float64Array {
  const { largest, sum } = shifted(logits);
  return Float64Array.from(logits, (logit) => Math.exp(logit - largest) / sum);
}

/** Sum of the exponentials, shifted by the largest logit so that nothing overflows. */
function shifted(logits: Float32Array) {
  let predicted = 0;
  logits.forEach((logit, i) => {
    if (logit > (logits[predicted] ?? -Infinity)) predicted = i;
  });
  const largest = logits[predicted] ?? NaN;
  return { predicted, largest, sum: logits.reduce((total, logit) => total + Math.exp(logit - largest), 0) };
}
