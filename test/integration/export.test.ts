import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import * as tfl from '@tensorflow/tfjs-layers';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Preprocessing } from '../../src/runs/documents.js';
import { inputBy } from './input-by.js';
import { runCli } from './run-cli.js';
import { recordedPredictions, trainSmall } from './small-run.js';
import { oddShapes, tinyImages } from './tiny-images.js';

let root: string;
/** A run on photographs: they are shrunk and cropped. */
let run: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-export-'));
  await tinyImages(join(root, 'data'), { side: 90 });
  await oddShapes(join(root, 'data'), { side: 90 });
  run = await trainSmall(join(root, 'data'), join(root, 'runs'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const to = (name: string) => join(root, name);
const exported = (name: string, ...options: string[]) =>
  runCli(['export', run, '--to', to(name), ...options]);
const MODEL = ['index.html', 'labels.txt', 'model.json', 'preprocessing.json', 'weights.bin'];
const LIBRARY = [
  'LICENSE',
  'tf-backend-wasm.es2017.min.js',
  'tf-core.es2017.min.js',
  'tf-layers.es2017.min.js',
  'tfjs-backend-wasm-simd.wasm',
  'tfjs-backend-wasm.wasm',
];

/** Loads a folder's model with TensorFlow.js alone and compares what it says with the run's record. */
async function expectRecorded(folder: string, which: 'best' | 'final'): Promise<void> {
  const read = (name: string) => readFileSync(join(folder, name));
  const json = JSON.parse(read('model.json').toString()) as tf.io.ModelJSON;
  const bytes = new Uint8Array(read('weights.bin'));
  const model = await tfl.loadLayersModel(
    tf.io.fromMemory({
      modelTopology: json.modelTopology as object,
      weightSpecs: json.weightsManifest[0]!.weights,
      weightData: bytes.buffer,
    }),
  );
  const rules = JSON.parse(read('preprocessing.json').toString()) as Preprocessing;
  const expected = recordedPredictions(run);
  expect(expected).toHaveLength(12);
  for (const line of expected) {
    const input = await inputBy(rules, join(root, 'data', line.image));
    const found = (model.predict(input) as tf.Tensor).dataSync();
    const { predicted, probability } = line[which];
    expect(found.indexOf(Math.max(...found))).toBe(predicted);
    expect(Math.abs(found[predicted]! - probability)).toBeLessThan(1e-4);
  }
  expect(rules.classes).toEqual(['ants', 'bees']);
}

describe("a run's model/", () => {
  test('holds the model, what it needs to be fed with, and a page with TensorFlow.js and its licence', () => {
    expect(readdirSync(join(run, 'model')).sort()).toEqual([...MODEL, 'tfjs'].sort());
    expect(readdirSync(join(run, 'model', 'tfjs')).sort()).toEqual(LIBRARY);
    expect(readFileSync(join(run, 'model', 'tfjs', 'LICENSE'), 'utf8')).toContain('Apache License');
  });

  test('runs beside each other hold TensorFlow.js once', async () => {
    const twin = await trainSmall(join(root, 'data'), join(root, 'runs'));
    expect(twin).not.toBe(run);
    const inode = (folder: string, name: string) => statSync(join(folder, 'model', name)).ino;
    for (const name of LIBRARY) expect(inode(twin, `tfjs/${name}`), name).toBe(inode(run, `tfjs/${name}`));
    for (const name of MODEL) expect(inode(twin, name), name).not.toBe(inode(run, name));
  });

  test('is read by plain TensorFlow.js, and preprocessing.json says all that is needed', () =>
    expectRecorded(join(run, 'model'), 'best'));
});

describe('--format tfjs', () => {
  test("is the run's model/, to the byte", async () => {
    const { code, stdout, stderr } = await exported('web');
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^Results {2}\S+\/web\nNext {5}\S.* predict \S+ \S+$/);
    expect(stdout).toContain('index.html classifies images in a browser');
    const files = (folder: string) => readdirSync(folder, { recursive: true }).map(String).sort();
    expect(files(to('web'))).toEqual(files(join(run, 'model')));
    for (const name of [...MODEL, ...LIBRARY.map((file) => `tfjs/${file}`)]) {
      const [found, own] = [to('web'), join(run, 'model')].map((folder) => readFileSync(join(folder, name)));
      expect(found!.equals(own!), name).toBe(true);
    }
  });

  test('--final are the weights of the last checkpoint; --json tells what was written', async () => {
    const { code, stdout } = await exported('last', '--final', '--json');
    expect(code).toBe(0);
    const document = JSON.parse(stdout) as { files: { name: string; bytes: number }[] };
    expect(document).toMatchObject({
      command: 'export',
      status: 'completed',
      run,
      format: 'tfjs',
      to: to('last'),
    });
    for (const { name, bytes } of document.files)
      expect(readFileSync(join(to('last'), name)).length).toBe(bytes);
    expect(document.files).toHaveLength(MODEL.length + LIBRARY.length);
    await expectRecorded(to('last'), 'final');
  });
});

test('--format onnx is one file beside labels.txt and preprocessing.json', async () => {
  const { code, stderr } = await exported('onnx', '--format', 'onnx');
  expect(code, stderr).toBe(0);
  expect(readdirSync(to('onnx')).sort()).toEqual(['labels.txt', 'model.onnx', 'preprocessing.json']);
  const rules = (folder: string) => readFileSync(join(folder, 'preprocessing.json'), 'utf8');
  expect(rules(to('onnx'))).toBe(rules(join(run, 'model')));
});

describe('refused, exit 2, and nothing is left behind', () => {
  const refused = async (args: readonly string[], message: RegExp, name: string) => {
    const { code, stdout, stderr } = await runCli(['export', ...args]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(existsSync(to(name))).toBe(false);
    expect(readdirSync(root).filter((left) => left.startsWith('.'))).toEqual([]);
  };

  test.each([
    ['keras', /--format keras is not written\. .*--output_format keras DIR\/model\.json model\.h5/s],
    [
      'savedmodel',
      /--format savedmodel is not written\. .*--output_format keras_saved_model DIR\/model\.json/s,
    ],
    ['tflite', /Expected one of tfjs, onnx, keras, savedmodel for --format but received "tflite"/],
  ])('--format %s', (format, message) =>
    refused([run, '--to', to('refused'), '--format', format], message, 'refused'),
  );

  test('without --to', () => refused([run], /export needs --to DIR/, 'refused'));

  test('a folder that is no run', () =>
    refused(
      [join(root, 'data'), '--to', to('refused')],
      /data is not the folder of a run: it lacks/,
      'refused',
    ));

  test('a place that cannot be: the flag to change is named', () =>
    refused(
      [run, '--to', join(run, 'config.json', 'x')],
      /Could not write .*a part of that path is a file.*Give a folder with --to\./,
      'refused',
    ));
});

describe('what is there is never overwritten', () => {
  test('neither a folder nor a file, nor an earlier export', async () => {
    mkdirSync(to('full'));
    writeFileSync(to('full/mine.txt'), 'mine');
    writeFileSync(to('file'), 'mine');
    for (const name of ['full', 'file']) {
      const { code, stderr } = await exported(name);
      expect(code).toBe(2);
      expect(stderr).toContain(`${to(name)} is there already, and nothing is overwritten.`);
    }
    expect(readdirSync(to('full'))).toEqual(['mine.txt']);
    expect(readFileSync(to('file'), 'utf8')).toBe('mine');
    expect(readdirSync(root).filter((left) => left.startsWith('.'))).toEqual([]);
  });

  test('an empty folder is taken, a missing one is made with those above it', async () => {
    mkdirSync(to('empty'));
    expect((await exported('empty', '--format', 'onnx')).code).toBe(0);
    expect((await exported('a/b/c', '--format', 'onnx')).code).toBe(0);
    for (const name of ['empty', 'a/b/c']) expect(existsSync(join(to(name), 'model.onnx'))).toBe(true);
  });
});

test('a run of an older version, whose model/ had no page yet, is exported all the same', async () => {
  const old = to('old');
  cpSync(run, old, { recursive: true });
  for (const name of ['index.html', 'preprocessing.json', 'tfjs'])
    await rm(join(old, 'model', name), { recursive: true });
  const { code } = await runCli(['export', old, '--to', to('renewed'), '--quiet']);
  expect(code).toBe(0);
  await expectRecorded(to('renewed'), 'best');
});
