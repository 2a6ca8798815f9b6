import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { RunError, UsageError } from '../../../src/errors.js';
import { loadBackbone } from '../../../src/model/load/backbone.js';
import {
  KNOWN_NAMES,
  KNOWN_WEIGHTS,
  knownPath,
  knownWeights,
  publishedSize,
} from '../../../src/model/load/known-weights.js';
import { availableWeights, resolveWeights } from '../../../src/model/load/weights.js';
import { serveFiles } from '../fetch/file-server.js';
import { h5Bytes, layersOfModel, writeWeights } from './h5-files.js';
import { mobileNetV1 } from './keras-networks.js';
import { hashOf, savedByTfjs, type SavedModel, temporaryFolder, writeModel } from './model-folders.js';

const NAME = 'mobilenet_v1_0.25_128';
const URL_PATH =
  '/storage.googleapis.com/tensorflow/keras-applications/mobilenet/mobilenet_2_5_128_tf_no_top.h5';
let saved: SavedModel;
let file: Buffer;
let cache: string;
const notes: string[] = [];
const options = {
  signal: new AbortController().signal,
  onNote: (text: string) => void notes.push(text),
};

beforeAll(async () => {
  saved = await savedByTfjs(mobileNetV1({ size: 128 }));
  const stored = layersOfModel(saved).map(({ name, weights }) => ({
    name: name.replace('_BN', '_bn'),
    weights: weights.map((weight) => ({ ...weight, name: weight.name.replace('_BN', '_bn') })),
  }));
  file = Buffer.from(
    await h5Bytes((group) => {
      writeWeights(group, stored);
    }),
  );
});

beforeEach(async () => {
  cache = await temporaryFolder();
  notes.length = 0;
  vi.stubEnv('ONECYCLE_CACHE', cache);
  // Nobody listens there: whatever is asked for from elsewhere fails at once.
  vi.stubEnv('ONECYCLE_MIRROR', 'http://127.0.0.1:9');
  return () => vi.unstubAllEnvs();
});

describe('names', () => {
  test('are those that the texts give in short', () => {
    const expanded = [...KNOWN_NAMES.matchAll(/[\w.{},]+(?=, |$)/gu)].flatMap(([pattern]) => {
      const parts = pattern.split(/\{([^}]*)\}/u).map((part, i) => (i % 2 === 0 ? [part] : part.split(',')));
      return parts.reduce((all, part) => all.flatMap((start) => part.map((end) => start + end)), ['']);
    });
    expect(expanded.sort()).toEqual(KNOWN_WEIGHTS.map(({ name }) => name).sort());
    expect(expanded).toHaveLength(16 + 22 + 4);
  });

  test.each([
    ['mobilenet_v1_0.75_160', 'tensorflow/keras-applications/mobilenet/mobilenet_7_5_160_tf_no_top.h5', 160],
    ['mobilenet_v1_1.0_224', 'tensorflow/keras-applications/mobilenet/mobilenet_1_0_224_tf_no_top.h5', 224],
    [
      'mobilenet_v2_1.0_96',
      'tensorflow/keras-applications/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_96_no_top.h5',
      96,
    ],
    [
      'mobilenet_v2_1.4_224',
      'tensorflow/keras-applications/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.4_224_no_top.h5',
      224,
    ],
    ['tfjs_mobilenet_v1_0.5_224', 'tfjs-models/tfjs/mobilenet_v1_0.50_224/model.json', 224],
  ])('%s is what its publisher calls %s', (name, path, trainedSize) => {
    expect(knownWeights(name)).toEqual({ name, url: `https://storage.googleapis.com/${path}`, trainedSize });
  });

  test('a file that was downloaded by hand says its size by its name, with or without its top', () => {
    expect(publishedSize('/somewhere/mobilenet_5_0_192_tf_no_top.h5')).toBe(192);
    expect(publishedSize('mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96.h5')).toBe(96);
    expect(publishedSize('my-weights_96_no_top.h5')).toBeUndefined();
    expect(publishedSize('model.json')).toBeUndefined();
  });

  test('the bundled one stays the bundled one', async () => {
    const path = await availableWeights('mobilenet_v2_0.35_224', options);
    expect(path).toContain(join('data', 'weights', 'mobilenet_v2_0.35_224', 'model.json'));
  });

  test.each([
    ['mobilenet_v2_0.5_244', /\. Did you mean mobilenet_v2_0\.5_224\? Expected a bundled name/],
    ['mobilenetv1_1.0_224', /Did you mean mobilenet_v1_1\.0_224\?/],
    ['mobilenet_v3_small', /MobileNet V3 is another network, which cannot be trained here yet/],
    ['resnet50', /no such name, folder or file\. Expected/],
  ])('%s is refused with what may be meant', (name, message) => {
    expect(() => resolveWeights(name)).toThrow(message);
  });
});

describe('weights by name', () => {
  test('are downloaded once, and taken from the cache ever after', async () => {
    const server = await serveFiles({ [URL_PATH]: { body: file } });
    vi.stubEnv('ONECYCLE_MIRROR', server.address);
    const path = await availableWeights(NAME, options);
    expect(path).toBe(join(cache, 'weights/mobilenet_2_5_128_tf_no_top.h5'));
    expect(path).toBe(resolveWeights(NAME));
    expect(notes.at(-1)).toMatch(
      /No checksum of it is published; its SHA-256, [0-9a-f]{64}, is kept beside it/,
    );
    const { backbone, parameters } = await loadBackbone(path, () => 0);
    const expected = await loadBackbone(
      await writeModel(saved.json, { 'weights.bin': saved.bytes }),
      () => 0,
    );
    expect(backbone).toMatchObject({ version: 1, alpha: 0.25, trainedSize: 128 });
    expect(hashOf(parameters)).toBe(hashOf(expected.parameters));
    expect(server.asked.map(({ path: asked }) => asked)).toEqual([URL_PATH]);
    vi.stubEnv('ONECYCLE_MIRROR', 'http://127.0.0.1:9');
    notes.length = 0;
    expect(await availableWeights(NAME, options)).toBe(path);
    expect(notes).toEqual([]);
  });

  test('that changed since are refused', async () => {
    const server = await serveFiles({ [URL_PATH]: { body: file } });
    vi.stubEnv('ONECYCLE_MIRROR', server.address);
    const path = await availableWeights(NAME, options);
    const bytes = await readFile(path);
    bytes[bytes.length - 100]! ^= 1;
    await writeFile(path, bytes);
    await expect(availableWeights(NAME, options)).rejects.toThrow(UsageError);
    await expect(availableWeights(NAME, options)).rejects.toThrow(
      /its sha256 is [0-9a-f]{64}, and [0-9a-f]{64} was expected/,
    );
  });

  test('without a network say the address, the place for the file, and what is always here', async () => {
    const refused = availableWeights(NAME, options);
    await expect(refused).rejects.toThrow(RunError);
    const { message } = await refused.then(
      () => new Error('it was there'),
      (error: unknown) => error as Error,
    );
    const { url } = knownWeights(NAME)!;
    const official = new URL(url);
    expect(message).toContain(`http://127.0.0.1:9/${official.host}${official.pathname}`);
    expect(message).toContain(join(cache, 'weights/mobilenet_2_5_128_tf_no_top.h5'));
    expect(message).toContain('Always here: the bundled --weights mobilenet_v2_0.35_224.');
  });

  test('that were put there by hand are taken', async () => {
    const path = knownPath(knownWeights(NAME)!);
    await mkdir(dirname(path), { recursive: true });
    const elsewhere = join(await temporaryFolder(), 'downloaded.h5');
    await writeFile(elsewhere, file);
    await copyFile(elsewhere, path);
    const { backbone } = await loadBackbone(await availableWeights(NAME, options));
    expect(backbone.trainedSize).toBe(128);
  });

  test('of a layers-model come with all its files', async () => {
    const base = '/storage.googleapis.com/tfjs-models/tfjs/mobilenet_v1_0.25_224';
    const all = saved.json.weightsManifest[0]!.weights;
    const cut = all.slice(0, 20).reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
    const groups = ['group1-shard1of1', 'group2-shard1of1'];
    const json = {
      modelTopology: {
        keras_version: '2.1.4',
        backend: 'tensorflow',
        model_config: saved.json.modelTopology,
      },
      weightsManifest: [
        { paths: [groups[0]], weights: all.slice(0, 20) },
        { paths: [groups[1]], weights: all.slice(20) },
      ],
    };
    const server = await serveFiles({
      [`${base}/model.json`]: { body: Buffer.from(JSON.stringify(json)) },
      [`${base}/${groups[0]}`]: { body: Buffer.from(saved.bytes.subarray(0, cut)) },
      [`${base}/${groups[1]}`]: { body: Buffer.from(saved.bytes.subarray(cut)) },
    });
    vi.stubEnv('ONECYCLE_MIRROR', server.address);
    const path = await availableWeights('tfjs_mobilenet_v1_0.25_224', options);
    expect(path).toBe(join(cache, 'weights/tfjs_mobilenet_v1_0.25_224/model.json'));
    const expected = await loadBackbone(await writeModel(saved.json, { 'weights.bin': saved.bytes }));
    expect(hashOf((await loadBackbone(path)).parameters)).toBe(hashOf(expected.parameters));
    json.weightsManifest[0]!.paths = ['../outside'];
    server.files.set(`${base}/model.json`, { body: Buffer.from(JSON.stringify(json)) });
    vi.stubEnv('ONECYCLE_CACHE', await temporaryFolder());
    await expect(availableWeights('tfjs_mobilenet_v1_0.25_224', options)).rejects.toThrow(
      /names a weight file outside its folder: "\.\.\/outside"/,
    );
  });
});
