import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { loadBackbone } from '../../../src/model/load/backbone.js';
import { resolveWeights } from '../../../src/model/load/weights.js';
import { initHead } from '../../../src/model/network.js';
import { saveLayersModel, type TrainedClassifier } from '../../../src/model/save.js';
import { mobileNetV1 } from './keras-networks.js';
import { type LooseModelJson, savedByTfjs, writeModel } from './model-folders.js';
import { features, randomImages, relativeError } from './reference.js';

const classNames = ['ant', 'bee', 'line\nbreak'];

async function bundled(): Promise<TrainedClassifier> {
  const { backbone, parameters } = await loadBackbone(resolveWeights('mobilenet_v2_0.35_224'));
  const head = initHead(backbone.features, classNames.length, 0);
  return {
    backbone,
    parameters,
    head: { ...head, bias: Float32Array.of(0.5, -1, 0.25) },
    classNames,
    imageSize: 64,
  };
}

async function v1(): Promise<TrainedClassifier> {
  const { json, bytes } = await savedByTfjs(mobileNetV1());
  const { backbone, parameters } = await loadBackbone(await writeModel(json, { 'weights.bin': bytes }));
  return { backbone, parameters, head: initHead(backbone.features, 3, 1), classNames, imageSize: 64 };
}

describe.each([
  ['V2', bundled],
  ['V1', v1],
])('a fine-tuned %s', (_, make) => {
  test('predicts in tfjs-layers what the features and the head give', async () => {
    const classifier = await make();
    const files = saveLayersModel(classifier);
    const json = JSON.parse(files['model.json']) as LooseModelJson;
    const model = await tfl.loadLayersModel(
      tf.io.fromMemory({
        modelTopology: json.modelTopology,
        weightSpecs: json.weightsManifest[0]!.weights as tf.io.WeightsManifestEntry[],
        weightData: files['weights.bin'].buffer as ArrayBuffer,
      }),
    );
    const images = randomImages(64);
    const found = (model.predict(images) as tf.Tensor).dataSync() as Float32Array;
    const { backbone, parameters, head } = classifier;
    const pooled = tf.tensor2d(features(backbone, parameters, images), [2, backbone.features]);
    const logits = tf.add(tf.matMul(pooled, tf.tensor2d(head.kernel, [backbone.features, 3])), head.bias);
    const expected = tf.softmax(logits).dataSync() as Float32Array;
    expect(found.length).toBe(6);
    expect(relativeError(found, expected)).toBeLessThan(1e-5);
  });

  test('is read back bit for bit', async () => {
    const classifier = await make();
    const files = saveLayersModel(classifier);
    const path = await writeModel(files['model.json'], { 'weights.bin': files['weights.bin'] });
    const { backbone, parameters } = await loadBackbone(path);
    expect(backbone).toEqual({ ...classifier.backbone, trainedSize: 64 });
    expect(parameters).toEqual(classifier.parameters);
    // A second time nothing changes any more, not even the bytes.
    expect(saveLayersModel({ ...classifier, backbone, parameters })).toEqual(files);
  });
});

test('labels are one a line; a name with a line break stays whole in model.json', async () => {
  const files = saveLayersModel(await v1());
  expect(files['labels.txt']).toBe('ant\nbee\nline break\n');
  expect(JSON.parse(files['model.json'])).toMatchObject({
    userDefinedMetadata: { classNames, imageSize: 64 },
  });
});

test('a layer called as one of the layers that are added keeps its name', async () => {
  const { json, bytes } = await savedByTfjs(mobileNetV1());
  const renamed = JSON.parse(JSON.stringify(json).replaceAll('conv_pw_13', 'predictions')) as unknown;
  const { backbone, parameters } = await loadBackbone(await writeModel(renamed, { 'weights.bin': bytes }));
  const head = initHead(backbone.features, 3, 1);
  const files = saveLayersModel({ backbone, parameters, head, classNames, imageSize: 64 });
  const again = await loadBackbone(
    await writeModel(files['model.json'], { 'weights.bin': files['weights.bin'] }),
  );
  expect(again.backbone.blocks.at(-1)?.units.at(-1)?.name).toBe('predictions');
});

test('a head of another size, or a missing parameter, is an error of the program', async () => {
  const classifier = await v1();
  const { features: length } = classifier.backbone;
  expect(() => saveLayersModel({ ...classifier, head: initHead(length, 4, 0) })).toThrow(
    /predictions\/kernel: expected 768 values for \[256, 3\], found 1024/,
  );
  expect(() => saveLayersModel({ ...classifier, parameters: new Map() })).toThrow(/conv1\/kernel is missing/);
});
