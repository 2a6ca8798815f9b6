import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { activationBytes, featureShape } from '../../../src/engine/shapes.js';
import { Classifier } from '../../../src/engine/tfjs/classifier.js';
import { NETWORKS, randomHead, randomParameters } from './small-networks.js';

tf.enableProdMode();

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describe('the shape of the frozen part', () => {
  test.each([
    // All is trained: the image itself.
    [0, 16, [16, 16, 3]],
    // After the stem, which halves: 17 pixels become ceil(17 / 2) = 9.
    [1, 16, [8, 8, 6]],
    [1, 17, [9, 9, 6]],
    [2, 17, [9, 9, 6]],
    // Block b halves again.
    [3, 16, [4, 4, 10]],
    [3, 17, [5, 5, 10]],
    [4, 17, [5, 5, 10]],
    // The head alone: pooled.
    [5, 17, [1, 1, 14]],
  ])('V2, trained from block %i, %i pixels', (firstTrained, size, expected) => {
    expect(featureShape(NETWORKS.V2, firstTrained, size)).toEqual(expected);
  });

  test.each(['V1', 'V2'] as const)('%s: is that of what the network gives', (version) => {
    const backbone = NETWORKS[version];
    for (let first = 0; first <= backbone.blocks.length; first++) {
      const classifier = new Classifier(
        backbone,
        first,
        randomParameters(backbone),
        randomHead(backbone.features, 2),
      );
      for (const size of [16, 17, 32]) {
        const features = tf.tidy(() => classifier.features(tf.zeros([1, size, size, 3])).shape);
        expect(features.slice(1)).toEqual(featureShape(backbone, first, size));
      }
      classifier.dispose();
    }
  });
});

describe('activations kept for one image', () => {
  test('are the outputs of the trained units, and four of the largest', () => {
    // V1 at 16 pixels, 4 bytes each: stem 8 x 8 x 6 = 1536; a 8 x 8 x 6 = 1536 and 8 x 8 x 9 = 2304;
    // b 4 x 4 x 9 = 576 and 4 x 4 x 12 = 768; c 4 x 4 x 12 = 768 and 4 x 4 x 14 = 896. Four times 2304: 9216.
    expect(activationBytes(NETWORKS.V1, 0, 16)).toBe(1536 + 1536 + 2304 + 576 + 768 + 768 + 896 + 9216);
    expect(activationBytes(NETWORKS.V1, 3, 16)).toBe(768 + 896 + 9216);
    expect(activationBytes(NETWORKS.V1, 4, 16)).toBe(9216);
  });
});
