import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { preprocessing } from '../../../src/export/model-files.js';
import { onnxModel } from '../../../src/export/onnx.js';
import { freshNetwork, loadBackbone, loadClassifier } from '../../../src/model/load/backbone.js';
import { foldBatchNorms } from '../../../src/model/load/fold.js';
import { resolveWeights } from '../../../src/model/load/weights.js';
import {
  adaptedBackbone,
  type Backbone,
  freshBackbone,
  initHead,
  initWeights,
  type Parameters,
} from '../../../src/model/network.js';
import { saveLayersModel, withTrained } from '../../../src/model/save.js';
import { mobileNetV1, mobileNetV2, type Spelling } from './keras-networks.js';
import { type LooseModelJson, savedByTfjs, writeModel } from './model-folders.js';
import { features, layersFeatures, randomImages, relativeError } from './reference.js';

const BUNDLED = resolveWeights('mobilenet_v2_0.35_224');
const everything = () => 0;

function digest(parameters: Parameters): string {
  const hash = createHash('sha256');
  for (const [name, { values }] of parameters) {
    hash.update(name).update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex');
}

const withoutNorm = ({ blocks, ...rest }: Backbone) => ({
  ...rest,
  blocks: blocks.map((block) => ({
    ...block,
    units: block.units.map(({ batchNorm, ...unit }) => (batchNorm === undefined ? unit : unit)),
  })),
});

describe('folded weights', () => {
  test('are the bits that they always were', async () => {
    // Of names and values in order, as the version before batch norm could be kept made them.
    const { parameters } = await loadBackbone(BUNDLED);
    expect(digest(parameters)).toBe('36d5a6e0459986cafd17bc3f6d172bf7c05f1bc27e0c6d0e5370c3e2984681bf');
  });

  test('are the same when they are folded later', async () => {
    const folded = await loadBackbone(BUNDLED);
    const later = foldBatchNorms(await loadBackbone(BUNDLED, everything));
    expect(later.backbone).toEqual(folded.backbone);
    expect(digest(new Map([...later.parameters].sort()))).toBe(
      digest(new Map([...folded.parameters].sort())),
    );
  });
});

describe('batch norm that is kept', () => {
  test('of the bundled weights has what their layers say', async () => {
    const { backbone, parameters } = await loadBackbone(BUNDLED, everything);
    const units = backbone.blocks.flatMap((block) => block.units);
    expect(units).toHaveLength(52);
    for (const { batchNorm } of units) expect(batchNorm).toEqual({ epsilon: 1e-3, momentum: 0.999 });
    expect([...parameters.keys()].slice(0, 6)).toEqual([
      ...['kernel', 'gamma', 'beta', 'mean', 'variance'].map((part) => `Conv1/${part}`),
      'expanded_conv_depthwise/kernel',
    ]);
    // 410,208 weights by Keras Applications' count, of which nothing is lost.
    expect([...parameters.values()].reduce((sum, { values }) => sum + values.length, 0)).toBe(410_208);
  });

  test('from some block on leaves what is frozen folded to the same bits', async () => {
    const first = 17;
    const [folded, kept] = [await loadBackbone(BUNDLED), await loadBackbone(BUNDLED, () => first)];
    for (const [i, { units }] of kept.backbone.blocks.entries()) {
      for (const { name, batchNorm } of units) {
        expect(batchNorm === undefined, name).toBe(i < first);
        if (i >= first) continue;
        for (const part of ['kernel', 'bias']) {
          expect(kept.parameters.get(`${name}/${part}`)).toEqual(folded.parameters.get(`${name}/${part}`));
        }
      }
    }
    const images = randomImages(64);
    const expected = features(folded.backbone, folded.parameters, images);
    expect(relativeError(features(kept.backbone, kept.parameters, images), expected)).toBeLessThan(1e-5);
  });

  test.each<[string, 1 | 2, Partial<Spelling>]>([
    ['V1', 1, { top: 'conv' }],
    ['V1 with a bias before batch norm, which goes into the running mean', 1, { bias: true }],
    ['V1 without scale: gamma is 1', 1, { batchNorm: 'no scale' }],
    ['V2 without center: beta is 0', 2, { batchNorm: 'no center' }],
  ])('evaluates as tfjs-layers does: %s', async (_, version, spelling) => {
    const model = (version === 1 ? mobileNetV1 : mobileNetV2)(spelling);
    const { json, bytes } = await savedByTfjs(model);
    const path = await writeModel(json, { 'weights.bin': bytes });
    const { backbone, parameters } = await loadBackbone(path, everything);
    const units = backbone.blocks.flatMap((block) => block.units);
    for (const { batchNorm } of units) expect(batchNorm).toEqual({ epsilon: 0.01, momentum: 0.99 });
    expect([...parameters.keys()].some((name) => name.endsWith('/bias'))).toBe(false);
    const images = randomImages(32);
    const expected = layersFeatures(model, images);
    expect(relativeError(features(backbone, parameters, images), expected)).toBeLessThan(1e-5);
  });

  test('of a negative variance is refused by its layer', async () => {
    const { json, bytes } = await savedByTfjs(mobileNetV1());
    const offset = json.weightsManifest[0]!.weights.findIndex(
      ({ name }) => name === 'conv1_BN/moving_variance',
    );
    const before = json.weightsManifest[0]!.weights.slice(0, offset);
    const at = before.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    new Float32Array(bytes.buffer)[at + 2] = -1;
    const path = await writeModel(json, { 'weights.bin': bytes });
    const message = 'batch norm «conv1_BN» has the variance -1 in channel 2';
    await expect(loadBackbone(path, everything)).rejects.toThrow(message);
    await expect(loadBackbone(path)).rejects.toThrow(message);
  });
});

test('a stem of stride 1 is read, as models are saved that were trained so', async () => {
  const { json, bytes } = await savedByTfjs(mobileNetV1({ zeroPadding: false }));
  const stem = json.modelTopology.config.layers.find(({ name }) => name === 'conv1')!;
  stem.config['strides'] = [1, 1];
  const { backbone } = await loadBackbone(await writeModel(json, { 'weights.bin': bytes }));
  expect(backbone.blocks[0]?.units[0]?.stride).toBe(1);
});

test('another stride of the stem and another momentum change nothing else', async () => {
  const { backbone } = await loadBackbone(BUNDLED, () => 17);
  const adapted = adaptedBackbone(backbone, { stemStride: 1, bnMomentum: 0.9 });
  expect(adapted.blocks.map(({ units }) => units.map(({ stride }) => stride).join())).toEqual(
    backbone.blocks.map(({ units }, i) => (i === 0 ? '1' : units.map(({ stride }) => stride).join())),
  );
  const momenta = (network: Backbone) =>
    network.blocks.flatMap(({ units }) => units.map(({ batchNorm }) => batchNorm?.momentum));
  expect(momenta(adapted)).toEqual(momenta(backbone).map((momentum) => momentum && 0.9));
  expect(adaptedBackbone(backbone, {})).toEqual(backbone);
});

describe('a fine-tuned network with batch norm', () => {
  const classNames = ['ant', 'bee', 'wasp'];
  async function classifier() {
    const { backbone, parameters } = await loadBackbone(BUNDLED, () => 12);
    const head = { ...initHead(backbone.features, 3, 0), bias: Float32Array.of(0.5, -1, 0.25) };
    return {
      backbone: adaptedBackbone(backbone, { bnMomentum: 0.95 }),
      parameters,
      head,
      classNames,
      imageSize: 64,
    };
  }

  test('is saved with BatchNormalization layers, and predicts in tfjs-layers what its features give', async () => {
    const made = await classifier();
    const files = saveLayersModel(made);
    const json = JSON.parse(files['model.json']) as LooseModelJson;
    const layers = json.modelTopology.config.layers.filter(
      ({ class_name: kind }) => kind === 'BatchNormalization',
    );
    const kept = made.backbone.blocks.slice(12).flatMap(({ units }) => units);
    expect(layers.map(({ name }) => name)).toEqual(kept.map(({ name }) => `${name}_BN`));
    for (const { config } of layers) expect(config).toMatchObject({ epsilon: 1e-3, momentum: 0.95 });
    const model = await tfl.loadLayersModel(
      tf.io.fromMemory({
        modelTopology: json.modelTopology,
        weightSpecs: json.weightsManifest[0]!.weights as tf.io.WeightsManifestEntry[],
        weightData: files['weights.bin'].buffer as ArrayBuffer,
      }),
    );
    const images = randomImages(64);
    const found = (model.predict(images) as tf.Tensor).dataSync() as Float32Array;
    const { backbone, parameters, head } = made;
    const pooled = tf.tensor2d(features(backbone, parameters, images), [2, backbone.features]);
    const logits = tf.add(tf.matMul(pooled, tf.tensor2d(head.kernel, [backbone.features, 3])), head.bias);
    expect(relativeError(found, tf.softmax(logits).dataSync() as Float32Array)).toBeLessThan(1e-5);
  });

  test('is read back bit for bit', async () => {
    const made = await classifier();
    const files = saveLayersModel(made);
    const path = await writeModel(files['model.json'], { 'weights.bin': files['weights.bin'] });
    const { backbone, parameters, head } = await loadClassifier(path);
    expect(backbone).toEqual({ ...made.backbone, trainedSize: 64 });
    expect(parameters).toEqual(made.parameters);
    expect(head).toEqual(made.head);
    expect(saveLayersModel({ ...made, backbone, parameters })).toEqual(files);
  });

  test('is exported to ONNX folded', async () => {
    const made = await classifier();
    const rules = preprocessing(made);
    const exported = Buffer.from(onnxModel(made, rules));
    expect(exported.equals(onnxModel({ ...made, ...foldBatchNorms(made) }, rules))).toBe(true);
    expect(exported.includes('BatchNormalization')).toBe(false);
    // Nor are the weights those of the convolutions alone.
    const kernel = made.parameters.get('block_16_project/kernel')!.values;
    const folded = foldBatchNorms(made).parameters.get('block_16_project/kernel')!.values;
    expect(folded).not.toEqual(kernel);
  });

  test('takes trained weights with their statistics, or not at all', async () => {
    const made = await classifier();
    const one = (length: number, value: number) => new Float32Array(length).fill(value);
    const weights = new Map([
      ['block_16_project/gamma', one(112, 2)],
      ['head/kernel', made.head.kernel],
      ['head/bias', one(3, 0)],
    ]);
    const statistics = new Map([
      ['block_16_project/mean', one(112, 3)],
      ['block_16_project/variance', one(112, 4)],
    ]);
    const { parameters } = withTrained(made, { weights, statistics });
    expect(parameters.get('block_16_project/gamma')?.values[0]).toBe(2);
    expect(parameters.get('block_16_project/mean')?.values[0]).toBe(3);
    expect(parameters.get('block_16_project/variance')?.values[0]).toBe(4);
    expect(() => withTrained(made, { weights })).toThrow('the checkpoint holds no block_16_project/mean');
  });
});

describe('a network with random weights', () => {
  test('has the plan of the bundled one at its width', async () => {
    const { backbone } = await loadBackbone(BUNDLED);
    expect(withoutNorm(freshBackbone(0.35))).toEqual(backbone);
  });

  test.each([0.25, 1, 1.3])('has the plan of Keras at a width of %d', async (alpha) => {
    const { json, bytes } = await savedByTfjs(mobileNetV2({ alpha }));
    const { backbone } = await loadBackbone(await writeModel(json, { 'weights.bin': bytes }));
    expect(withoutNorm(freshBackbone(alpha))).toEqual({ ...backbone, trainedSize: 224 });
  });

  test('draws kernels whose outputs have the deviation of ReLU networks, by seed and name alone', () => {
    const backbone = freshBackbone(1);
    const parameters = initWeights(backbone, 3);
    // He et al.: the square of the deviation is 2 over the inputs of an output.
    for (const [name, inputs] of [
      ['block_6_expand', 32],
      ['Conv_1', 320],
      ['block_13_depthwise', 9],
    ] as const) {
      const { values } = parameters.get(`${name}/kernel`)!;
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      const error = Math.sqrt(2 / values.length);
      expect(Math.abs((variance * inputs) / 2 - 1), name).toBeLessThan(5 * error);
      expect(Math.abs(mean) / Math.sqrt(variance / values.length), name).toBeLessThan(5);
      // Normal, not uniform: about 4.55% lie beyond two deviations, none of a uniform draw.
      const beyond =
        values.filter((value) => Math.abs(value) > 2 * Math.sqrt(variance)).length / values.length;
      expect(beyond, name).toBeGreaterThan(0.03);
      expect(beyond, name).toBeLessThan(0.06);
    }
    expect(parameters.get('Conv1/gamma')?.values).toEqual(new Float32Array(32).fill(1));
    expect(parameters.get('Conv1/variance')?.values).toEqual(new Float32Array(32).fill(1));
    expect(parameters.get('Conv1/beta')?.values).toEqual(new Float32Array(32));
    expect(parameters.get('Conv1/mean')?.values).toEqual(new Float32Array(32));
    expect(digest(initWeights(backbone, 3))).toBe(digest(parameters));
    expect(digest(initWeights(backbone, 4))).not.toBe(digest(parameters));
  });

  test('is known by its plan, whatever the seed', () => {
    const [first, other, wide] = [freshNetwork(0.35, 0), freshNetwork(0.35, 1), freshNetwork(0.5, 0)];
    expect(other.sha256).toBe(first.sha256);
    expect(wide.sha256).not.toBe(first.sha256);
    expect(digest(other.parameters)).not.toBe(digest(first.parameters));
  });
});
