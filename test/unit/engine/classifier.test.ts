import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import { beforeAll, describe, expect, test } from 'vitest';
import { Classifier } from '../../../src/engine/tfjs/classifier.js';
import type { Backbone, Head, Parameters } from '../../../src/model/network.js';
import { randomStream } from '../../../src/random.js';
import { NETWORKS, randomHead, randomParameters } from './small-networks.js';

tf.enableProdMode();

const CLASSES = 3;
const IMAGES = 2;

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const uniform = (length: number, name: string) => {
  const stream = randomStream(7, name);
  return Float32Array.from({ length }, () => 2 * stream.uniform() - 1);
};

interface Values {
  readonly logits: Float32Array;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/**
 * The same network spelled with tfjs's plain operations on its cpu backend and differentiated by its own tape.
 * The loss is sum(logits x dLogits), so that its gradient with respect to the logits is dLogits.
 */
function reference(
  backbone: Backbone,
  parameters: Parameters,
  head: Head,
  images: tf.Tensor4D,
  dLogits: tf.Tensor2D,
): Values & { readonly shares: readonly number[] } {
  const all = new Map<string, tf.Variable>();
  for (const [name, { values, shape }] of parameters)
    all.set(name, tf.variable(tf.tensor(values, [...shape])));
  all.set('head/kernel', tf.variable(tf.tensor(head.kernel, [backbone.features, CLASSES])));
  all.set('head/bias', tf.variable(tf.tensor1d(head.bias)));
  const outputs: tf.Tensor[] = [];
  const forward = (): tf.Tensor => {
    let x = images;
    for (const { units, residual } of backbone.blocks) {
      const start = x;
      for (const { name, kind, stride, relu6 } of units) {
        const run = kind === 'conv' ? tf.conv2d : tf.depthwiseConv2d;
        x = tf.add(
          run(x, all.get(`${name}/kernel`) as tf.Tensor4D, stride, 'same'),
          all.get(`${name}/bias`)!,
        );
        if (relu6) {
          x = tf.relu6(x);
          outputs.push(tf.keep(x));
        }
      }
      if (residual) x = tf.add(start, x);
    }
    return tf.add(tf.matMul(tf.mean(x, [1, 2]), all.get('head/kernel')!), all.get('head/bias')!);
  };
  const logits = tf.tidy(() => forward().dataSync() as Float32Array);
  const { grads } = tf.variableGrads(
    () => tf.sum(tf.mul(forward(), dLogits)) as tf.Scalar,
    [...all.values()],
  );
  const gradients = new Map(
    [...all].map(([name, variable]) => [name, grads[variable.name]!.dataSync() as Float32Array]),
  );
  const activations = outputs.flatMap((output) => [...output.dataSync()]);
  const shares = [0, 6].map((end) => activations.filter((a) => a === end).length / activations.length);
  return { logits, gradients, shares };
}

function ours(classifier: Classifier, images: tf.Tensor4D, dLogits: tf.Tensor2D): Values {
  const features = classifier.features(images);
  const { logits, tape } = classifier.forward(features);
  const gradients = classifier.backward(tape, dLogits);
  const values = {
    logits: Float32Array.from(logits.dataSync()),
    gradients: new Map([...gradients].map(([name, g]) => [name, Float32Array.from(g.dataSync())])),
  };
  // Without the tape the values are the same bits.
  const again = classifier.logits(features);
  expect([...again.dataSync()]).toEqual([...values.logits]);
  tf.dispose([features, logits, again, ...gradients.values()]);
  return values;
}

/** The largest difference over the largest value: a relative error that zeros among the values cannot inflate. */
function relativeError(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expect(largest).toBeGreaterThan(0);
  return actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0) / largest;
}

describe.each(['V1', 'V2', 'narrow V2'] as const)('a small Mobile%s', (version) => {
  const backbone = NETWORKS[version];
  const parameters = randomParameters(backbone);
  const head = randomHead(backbone.features, CLASSES);
  const blocks = backbone.blocks.length;
  const names = [...parameters.keys(), 'head/kernel', 'head/bias'];

  // 17 pixels: an odd side, where 'same' pads otherwise than at an even one.
  describe.each([16, 17])('at %i pixels', (size) => {
    let expected: ReturnType<typeof reference>;
    beforeAll(() => {
      const images = tf.tensor4d(uniform(IMAGES * size * size * 3, 'images'), [IMAGES, size, size, 3]);
      const dLogits = tf.tensor2d(uniform(IMAGES * CLASSES, 'dLogits'), [IMAGES, CLASSES]);
      expected = reference(backbone, parameters, head, images, dLogits);
    });

    test('reaches both ends of ReLU6, so that its gradient is tried there', () => {
      const [zeros, sixes] = expected.shares;
      expect(zeros).toBeGreaterThan(0.1);
      expect(sixes).toBeGreaterThan(0.001);
    });

    test.each(Array.from({ length: blocks + 1 }, (_, first) => first))(
      'trained from block %i on: values and gradients are those of the tape, nothing is kept',
      (firstTrained) => {
        const images = tf.tensor4d(uniform(IMAGES * size * size * 3, 'images'), [IMAGES, size, size, 3]);
        const dLogits = tf.tensor2d(uniform(IMAGES * CLASSES, 'dLogits'), [IMAGES, CLASSES]);
        const before = tf.memory().numTensors;
        const classifier = new Classifier(backbone, firstTrained, parameters, head);
        const made = tf.memory().numTensors;
        expect(made - before).toBe(names.length);

        const { logits, gradients } = ours(classifier, images, dLogits);
        expect(tf.memory().numTensors).toBe(made);
        expect(relativeError(logits, expected.logits)).toBeLessThan(1e-4);
        // Exactly the parameters from the first trained block on have gradients.
        const frozen = backbone.blocks.slice(0, firstTrained).flatMap(({ units }) => units);
        expect([...gradients.keys()].sort()).toEqual(names.slice(2 * frozen.length).sort());
        for (const [name, gradient] of gradients) {
          expect(relativeError(gradient, expected.gradients.get(name)!), name).toBeLessThan(1e-4);
        }
        classifier.dispose();
        expect(tf.memory().numTensors).toBe(before);
        tf.dispose([images, dLogits]);
      },
    );
  });

  test('weights that lack a parameter are named', () => {
    const lacking = new Map(parameters);
    lacking.delete('stem/conv/bias');
    expect(() => new Classifier(backbone, 0, lacking, head)).toThrow(/no parameter stem\/conv\/bias/);
  });
});
