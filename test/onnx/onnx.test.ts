import * as tf from '@tensorflow/tfjs-core';
import { execa } from 'execa';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { preprocessing } from '../../src/export/model-files.js';
import { onnxModel } from '../../src/export/onnx.js';
import { loadBackbone } from '../../src/model/load/backbone.js';
import { resolveWeights } from '../../src/model/load/weights.js';
import { initHead } from '../../src/model/network.js';
import type { Preprocessing } from '../../src/runs/documents.js';
import { inputBy } from '../integration/input-by.js';
import { ROOT, runCli } from '../integration/run-cli.js';
import { recordedPredictions, trainSmall } from '../integration/small-run.js';
import { oddShapes, tinyImages } from '../integration/tiny-images.js';
import { mobileNetV1 } from '../unit/model/keras-networks.js';
import { savedByTfjs, writeModel } from '../unit/model/model-folders.js';
import { features, randomImages } from '../unit/model/reference.js';

// The ONNX runtime in Node, from the npm registry: 113 MB, so it is fetched for these tests alone and kept.
const VERSION = '1.30.0';
const FOLDER = join(ROOT, 'node_modules', '.cache', 'onecycle', `onnxruntime-${VERSION}`);

interface Runtime {
  readonly InferenceSession: { create(model: Uint8Array): Promise<Session> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OnnxTensor;
}
interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Readonly<Record<string, OnnxTensor>>): Promise<Readonly<Record<string, OnnxTensor>>>;
}
interface OnnxTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

let runtime: Runtime;
let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-onnx-'));
  if (!existsSync(join(FOLDER, 'complete'))) {
    await mkdir(FOLDER, { recursive: true });
    await writeFile(join(FOLDER, 'package.json'), '{ "private": true }');
    // Its script fetches CUDA from elsewhere; the runtime for processors is in the package.
    await execa('npm', ['install', '--ignore-scripts', `onnxruntime-node@${VERSION}`], { cwd: FOLDER });
    await writeFile(join(FOLDER, 'complete'), '');
  }
  runtime = createRequire(join(FOLDER, 'package.json'))('onnxruntime-node') as Runtime;
}, 600_000);
afterAll(() => rm(root, { recursive: true, force: true }));

async function run(
  model: Uint8Array,
  images: tf.Tensor4D,
): Promise<{ values: Float32Array; dims: readonly number[] }> {
  const session = await runtime.InferenceSession.create(model);
  expect([session.inputNames, session.outputNames]).toEqual([['images'], ['probabilities']]);
  const input = new runtime.Tensor('float32', images.dataSync() as Float32Array, images.shape);
  const { probabilities } = await session.run({ images: input });
  return { values: probabilities!.data, dims: probabilities!.dims };
}

async function bundled() {
  return loadBackbone(resolveWeights('mobilenet_v2_0.35_224'));
}

async function v1() {
  const { json, bytes } = await savedByTfjs(mobileNetV1());
  return loadBackbone(await writeModel(json, { 'weights.bin': bytes }));
}

test.each([
  ['V2', bundled, 64],
  // The stem's padding and a map of one pixel.
  ['V2 at its smallest', bundled, 32],
  ['V1', v1, 64],
])('%s says what its features and its head give', async (_, load, imageSize) => {
  const { backbone, parameters } = await load();
  const head = { ...initHead(backbone.features, 3, 0), bias: Float32Array.of(0.5, -1, 0.25) };
  const classNames = ['a', 'b', 'line\nbreak'];
  const images = randomImages(imageSize);
  const classifier = { backbone, parameters, head, classNames, imageSize };
  const { values, dims } = await run(onnxModel(classifier, preprocessing(classifier)), images);
  const pooled = tf.tensor2d(features(backbone, parameters, images), [2, backbone.features]);
  const expected = tf.softmax(
    tf.add(tf.matMul(pooled, tf.tensor2d(head.kernel, [backbone.features, 3])), head.bias),
  );
  expect(dims).toEqual([2, 3]);
  expected.dataSync().forEach((value, i) => expect(Math.abs(values[i]! - value)).toBeLessThan(1e-5));
});

describe('a run on photographs', () => {
  test('its exported model.onnx says what predictions.jsonl says', async () => {
    const data = join(root, 'data');
    await tinyImages(data, { side: 90 });
    await oddShapes(data, { side: 90 });
    const trained = await trainSmall(data, join(root, 'runs'));
    const to = join(root, 'onnx');
    const { code, stderr } = await runCli(['export', trained, '--to', to, '--format', 'onnx']);
    expect(code, stderr).toBe(0);
    const model = await readFile(join(to, 'model.onnx'));
    const rules = JSON.parse(await readFile(join(to, 'preprocessing.json'), 'utf8')) as Preprocessing;
    for (const { image, best } of recordedPredictions(trained)) {
      const { values } = await run(model, await inputBy(rules, join(data, image)));
      expect(values.indexOf(Math.max(...values))).toBe(best.predicted);
      expect(Math.abs(values[best.predicted]! - best.probability)).toBeLessThan(1e-4);
    }
  });
});
