import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { loadBackbone } from '../../../src/model/load/backbone.js';
import { resolveWeights } from '../../../src/model/load/weights.js';
import { mobileNetV1, mobileNetV2, type Spelling } from './keras-networks.js';
import { type LooseModelJson, savedByTfjs, writeModel } from './model-folders.js';
import { features, layersFeatures, randomImages, relativeError } from './reference.js';

/** Loads with tfjs-layers what lies on disk, for another input size. */
async function loadLayersModel(path: string, size: number): Promise<tfl.LayersModel> {
  const json = JSON.parse(readFileSync(path, 'utf8')) as LooseModelJson;
  json.modelTopology.config.layers[0]!.config['batch_input_shape'] = [null, size, size, 3];
  const bytes = readFileSync(join(dirname(path), 'weights.bin'));
  return await tfl.loadLayersModel(
    tf.io.fromMemory({
      modelTopology: json.modelTopology,
      weightSpecs: json.weightsManifest[0]!.weights as tf.io.WeightsManifestEntry[],
      weightData: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
    }),
  );
}

describe('the bundled MobileNetV2 0.35', () => {
  const path = resolveWeights('mobilenet_v2_0.35_224');

  test('gives the features that tfjs-layers computes with batch norm separate', async () => {
    const { backbone, parameters } = await loadBackbone(path);
    const images = randomImages(96);
    const expected = layersFeatures(await loadLayersModel(path, 96), images);
    expect(relativeError(features(backbone, parameters, images), expected)).toBeLessThan(1e-5);
  });

  test('is a plan of the stem, 17 inverted residuals and Conv_1', async () => {
    const { backbone, parameters } = await loadBackbone(path);
    expect(backbone).toMatchObject({ version: 2, alpha: 0.35, trainedSize: 224, features: 1280 });
    expect(backbone.blocks.map((block) => block.name)).toEqual([
      'Conv1',
      'expanded_conv',
      ...Array.from({ length: 16 }, (_, i) => `block_${i + 1}`),
      'Conv_1',
    ]);
    // Table 2 of the paper repeats four rows 2, 3, 4, 3, 3 times: all but the first of a row are residual.
    const residual = backbone.blocks.flatMap((block, i) => (block.residual ? [i - 1] : []));
    expect(residual).toEqual([2, 4, 5, 7, 8, 9, 11, 12, 14, 15]);
    expect(backbone.blocks[7]).toEqual({
      name: 'block_6',
      residual: false,
      units: [
        { name: 'block_6_expand', kind: 'conv', stride: 1, relu6: true, filterShape: [1, 1, 16, 96] },
        { name: 'block_6_depthwise', kind: 'depthwise', stride: 2, relu6: true, filterShape: [3, 3, 96, 1] },
        { name: 'block_6_project', kind: 'conv', stride: 1, relu6: false, filterShape: [1, 1, 96, 24] },
      ],
    });
    expect([...parameters.keys()].slice(0, 3)).toEqual([
      'Conv1/kernel',
      'Conv1/bias',
      'expanded_conv_depthwise/kernel',
    ]);
    // 410,208 weights by Keras Applications' count; folding drops mean, variance and gamma of 52 batch norms.
    const lengths = (end: string) =>
      [...parameters].reduce((sum, [name, { values }]) => sum + (name.endsWith(end) ? values.length : 0), 0);
    expect(lengths('')).toBe(410_208 - 3 * lengths('/bias'));
  });

  test('is hashed over model.json and the weights, in this order', async () => {
    const hash = createHash('sha256').update(readFileSync(path));
    hash.update(readFileSync(join(dirname(path), 'weights.bin')));
    expect((await loadBackbone(path)).sha256).toBe(hash.digest('hex'));
  });
});

const shared = process.env['ONECYCLE_SHARED'] ?? resolve('../shared');
const v1Folded = join(shared, 'weights/mobilenet_v1_1.0_224_folded/model.json');

test.skipIf(!existsSync(v1Folded))('a MobileNetV1 1.0 that was folded before, with its top', async () => {
  const { backbone, parameters } = await loadBackbone(v1Folded);
  expect(backbone).toMatchObject({ version: 1, alpha: 1, trainedSize: 224, features: 1024 });
  const images = randomImages(64);
  const expected = layersFeatures(await loadLayersModel(v1Folded, 64), images);
  expect(relativeError(features(backbone, parameters, images), expected)).toBeLessThan(1e-5);
});

const spellings: [string, 1 | 2, Partial<Spelling>][] = [
  ['V1 with batch norm and a convolutional top', 1, { top: 'conv' }],
  ['V1 with same padding, bias and batch norm', 1, { zeroPadding: false, bias: true }],
  [
    'V1 with batch norm folded and the activation in the convolution',
    1,
    { batchNorm: 'none', bias: true, relu6: 'option' },
  ],
  ['V1 of an odd width with batch norm without scale', 1, { alpha: 5 / 32, batchNorm: 'no scale' }],
  ['V2 1.0 with a dense top', 2, { alpha: 1, top: 'dense' }],
  ['V2 0.25, whose first block is residual, with Activation layers', 2, { relu6: 'Activation' }],
  ['V2 1.3 at 64 pixels, wider at the end', 2, { alpha: 1.3, size: 64, batchNorm: 'no center' }],
  ['V2 at an odd size, where same pads both sides', 2, { size: 45, zeroPadding: false }],
  ['V2 at an odd size with the zeros spelled out', 2, { size: 45 }],
];

describe('networks as tfjs-layers saves them', () => {
  test.each(spellings)('%s', async (_, version, spelling) => {
    const model = (version === 1 ? mobileNetV1 : mobileNetV2)(spelling);
    const { json, bytes } = await savedByTfjs(model);
    const path = await writeModel(json, { 'weights.bin': bytes });
    const { backbone, parameters } = await loadBackbone(path);
    const { alpha = 0.25, size = 32 } = spelling;
    expect(backbone).toMatchObject({ version, alpha, trainedSize: size });
    expect(backbone.features).toBe(version === 1 ? 1024 * alpha : Math.max(1280, 1280 * alpha));
    const images = randomImages(size);
    const expected = layersFeatures(model, images);
    expect(relativeError(features(backbone, parameters, images), expected)).toBeLessThan(1e-5);
  });

  test('V2 0.25 adds in its first block too', async () => {
    const { json, bytes } = await savedByTfjs(mobileNetV2());
    const { backbone } = await loadBackbone(await writeModel(json, { 'weights.bin': bytes }));
    expect(backbone.blocks[1]).toMatchObject({ name: 'expanded_conv', residual: true });
  });
});

describe('other ways to write the same file', () => {
  test('several shards, cut anywhere, and several groups give the same parameters', async () => {
    const { json, bytes } = await savedByTfjs(mobileNetV1({ top: 'conv' }));
    const whole = await loadBackbone(await writeModel(json, { 'weights.bin': bytes }));
    const all = json.weightsManifest[0]!.weights;
    const first = all.slice(0, 20);
    const cut = first.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
    const files = {
      'group1-shard1of3.bin': bytes.slice(0, 1001),
      'group1-shard2of3.bin': bytes.slice(1001, 1002),
      'group1-shard3of3.bin': bytes.slice(1002, cut),
      'group2-shard1of1.bin': bytes.slice(cut),
    };
    const [a, b, c, d] = Object.keys(files) as [string, string, string, string];
    json.weightsManifest = [
      { paths: [a, b, c], weights: first },
      { paths: [d], weights: all.slice(20) },
    ];
    const parts = await loadBackbone(await writeModel(json, files));
    expect(parts.backbone).toEqual(whole.backbone);
    expect(parts.parameters).toEqual(whole.parameters);
  });

  test('a topology in model_config, layers out of order, and an open input size', async () => {
    const { json, bytes } = await savedByTfjs(mobileNetV1());
    const whole = await loadBackbone(await writeModel(json, { 'weights.bin': bytes }));
    json.modelTopology.config.layers[0]!.config['batch_input_shape'] = [null, null, null, 3];
    json.modelTopology.config.layers.reverse();
    const wrapped = { ...json, modelTopology: { keras_version: '2.2.4', model_config: json.modelTopology } };
    const found = await loadBackbone(await writeModel(wrapped, { 'weights.bin': bytes }));
    expect(found.backbone).toEqual({ ...whole.backbone, trainedSize: 224 });
    expect(found.parameters).toEqual(whole.parameters);
  });

  test('a Sequential MobileNetV1', async () => {
    const functional = mobileNetV1({ top: 'dense' });
    const { json, bytes } = await savedByTfjs(functional);
    const whole = await loadBackbone(await writeModel(json, { 'weights.bin': bytes }));
    const [input, ...layers] = json.modelTopology.config.layers;
    const sequential = layers.map(({ class_name, config }) => ({ class_name, config }));
    sequential[0]!.config['batch_input_shape'] = input!.config['batch_input_shape'];
    const topology = { class_name: 'Sequential', config: { name: 'sequential_1', layers: sequential } };
    const found = await loadBackbone(
      await writeModel({ ...json, modelTopology: topology }, { 'weights.bin': bytes }),
    );
    expect(found.backbone).toEqual(whole.backbone);
    expect(found.parameters).toEqual(whole.parameters);
  });

  test('zeros on both sides before stride 1, as old versions of Keras have them', async () => {
    const { json, bytes } = await savedByTfjs(mobileNetV1());
    const whole = await loadBackbone(await writeModel(json, { 'weights.bin': bytes }));
    const { layers } = json.modelTopology.config;
    const depthwise = layers.find(({ name }) => name === 'conv_dw_1')!;
    const zeros = { name: 'conv_pad_1', class_name: 'ZeroPadding2D', config: { padding: [1, 1] } };
    layers.push({ ...zeros, inbound_nodes: depthwise.inbound_nodes });
    depthwise.inbound_nodes = [[['conv_pad_1', 0, 0, {}]]];
    depthwise.config['padding'] = 'valid';
    const found = await loadBackbone(await writeModel(json, { 'weights.bin': bytes }));
    expect(found.backbone).toEqual(whole.backbone);
  });

  test('the state of an optimizer that was saved along is passed over', async () => {
    const { json, bytes } = await savedByTfjs(mobileNetV1());
    const whole = await loadBackbone(await writeModel(json, { 'weights.bin': bytes }));
    json.weightsManifest[0]!.weights.push({ name: 'iter', shape: [], dtype: 'int32', group: 'optimizer' });
    const longer = new Uint8Array(bytes.length + 4);
    longer.set(bytes);
    const found = await loadBackbone(await writeModel(json, { 'weights.bin': longer }));
    expect(found.parameters).toEqual(whole.parameters);
  });
});
