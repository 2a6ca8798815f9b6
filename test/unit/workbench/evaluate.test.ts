import { expect, test } from 'vitest';
import type { Engine } from '../../../src/engine/engine.js';
import { evaluate, softmax } from '../../../src/workbench/evaluate.js';
import type { TrainingBatch } from '../../../src/workbench/steps.js';

/** An engine whose logits are the batch's stored values: what is judged is known. */
const echo = {
  logits: async ({ values }: { values: Float32Array }) => values,
} as unknown as Engine;

async function* batches(...list: readonly (readonly [number[], number[]])[]): AsyncGenerator<TrainingBatch> {
  for (const [logits, labels] of list) {
    const values = Float32Array.from(logits);
    yield { input: { kind: 'features', values, shape: [1, 1, 1] }, labels: Int32Array.from(labels) };
  }
}

test('loss, accuracy and predictions by hand, over batches of different sizes', async () => {
  // Odds 3 : 1, so p = [3/4, 1/4]. Labels 0, 1 and 0: losses ln(4/3), ln 4, ln(4/3); 2 of 3 are right.
  const log3 = Math.log(3);
  const evaluation = await evaluate(
    echo,
    batches(
      [
        [log3, 0, log3, 0],
        [0, 1],
      ],
      [[log3, 0], [0]],
    ),
  );
  expect(evaluation.total).toBe(3);
  expect(evaluation.correct).toBe(2);
  expect(evaluation.accuracy).toBe(2 / 3);
  // The mean over images, not over batches.
  expect(evaluation.loss).toBeCloseTo((2 * Math.log(4 / 3) + Math.log(4)) / 3, 6);
  expect(evaluation.predictions.map(({ predicted }) => predicted)).toEqual([0, 0, 0]);
  for (const { probability } of evaluation.predictions) expect(probability).toBeCloseTo(0.75, 6);
});

test('large logits neither overflow nor vanish', async () => {
  const evaluation = await evaluate(
    echo,
    batches([
      [1000, -1000, -1000, 1000],
      [0, 0],
    ]),
  );
  // The second image is wrong by 2000.
  expect(evaluation.loss).toBe(1000);
  expect(evaluation.predictions).toEqual([
    { predicted: 0, probability: 1 },
    { predicted: 1, probability: 1 },
  ]);
});

test('a tie goes to the first class, alike everywhere', async () => {
  const evaluation = await evaluate(echo, batches([[2, 2, 2], [2]]));
  expect(evaluation.predictions[0]).toMatchObject({ predicted: 0 });
  expect(evaluation.predictions[0]!.probability).toBeCloseTo(1 / 3, 12);
  expect(evaluation.loss).toBeCloseTo(Math.log(3), 12);
});

test('a network that has become NaN is never counted as right', async () => {
  const evaluation = await evaluate(
    echo,
    batches([
      [NaN, NaN, NaN, NaN],
      [0, 1],
    ]),
  );
  expect(evaluation.loss).toBeNaN();
  expect(evaluation.correct).toBe(0);
});

test('softmax gives the predicted class the probability that is recorded, and all together one', async () => {
  const logits = [3, -800, 2.5, 900];
  const { predictions } = await evaluate(echo, batches([logits, [0]]));
  const probabilities = softmax(Float32Array.from(logits));
  expect(probabilities[3]).toBe(predictions[0]!.probability);
  expect(probabilities.reduce((sum, probability) => sum + probability, 0)).toBe(1);
  const [a, b, c] = softmax(Float32Array.of(1, 2, 3));
  expect(a! + b! + c!).toBeCloseTo(1, 15);
  expect(b! / a!).toBeCloseTo(Math.E, 12);
});
