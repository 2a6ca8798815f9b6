import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { serveFiles } from '../unit/fetch/file-server.js';
import { bundledModel, h5Bytes, layersOfModel, writeWeights } from '../unit/model/h5-files.js';
import { runCli, scratchFolder } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

// Published for 128 pixels; here it holds the bundled weights.
const NAME = 'mobilenet_v2_0.35_128';
const FILE = 'mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_128_no_top.h5';
const NOBODY = 'http://127.0.0.1:9';

test('weights by name: a run, its resumption without a network, and a plan', async () => {
  const dir = await scratchFolder();
  const data = join(dir, 'photographs');
  await tinyImages(data, { side: 90, train: 4, valid: 4 });
  const body = Buffer.from(
    await h5Bytes((file) => {
      writeWeights(file, layersOfModel(bundledModel()));
    }),
  );
  const path = `/storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/${FILE}`;
  const server = await serveFiles({ [path]: { body } });
  const cache = join(dir, 'cache');
  const run = (mirror: string, ...args: string[]) =>
    runCli(args, { cwd: dir, env: { ONECYCLE_CACHE: cache, ONECYCLE_MIRROR: mirror } });
  const options = ['--data', data, '--weights', NAME, '--trainable', 'head', '--batch-size', '4'];

  const refused = await run(NOBODY, 'train', ...options);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(NOBODY + path);
  expect(refused.stderr).toContain(join(cache, 'weights', FILE));

  const arm = ['--policy', 'fixed', '--lr', '0.01', '--epochs', '1'];
  const trained = await run(server.address, 'train', ...options, ...arm);
  expect(trained.code, trained.stderr).toBe(0);
  expect(trained.stderr).toMatch(/No checksum of it is published; its SHA-256/);
  const recorded = (file: string) =>
    JSON.parse(readFileSync(join(dir, 'runs/fixed-seed0', file), 'utf8')) as Record<string, unknown>;
  // As many pixels as the name says.
  expect(recorded('config.json')).toMatchObject({ weights: NAME, imageSize: 128 });
  const sha256 = createHash('sha256').update(body).digest('hex');
  expect(recorded('dataset.json')).toMatchObject({ weightsSha256: sha256 });

  const more = await run(NOBODY, 'train', '--resume', 'runs/fixed-seed0', '--extend-to', '2');
  expect(more.code, more.stderr).toBe(0);
  const plan = await run(NOBODY, 'compare', ...options, '--out', 'planned', '--plan');
  expect(plan.code, plan.stderr).toBe(0);
  expect(plan.stdout).toContain(`--weights ${NAME}`);
  expect(server.asked).toHaveLength(1);

  await rm(cache, { recursive: true });
  const gone = await run(NOBODY, 'train', '--resume', 'runs/fixed-seed0', '--extend-to', '3');
  expect(gone.code).toBe(1);
  expect(gone.stderr).toContain('Could not download');
});

test('quantized weights are taken, and said to be less precise', async () => {
  const dir = await scratchFolder();
  const { json, bytes } = bundledModel();
  const [first] = json.weightsManifest[0]!.weights;
  const length = first!.shape.reduce((a, b) => a * b, 1);
  const values = new Float32Array(bytes.slice(0, 4 * length).buffer);
  const [min, max] = [Math.min(...values), Math.max(...values)];
  const scale = (max - min) / 255;
  first!['quantization'] = { dtype: 'uint8', min, scale, original_dtype: 'float32' };
  const steps = Uint8Array.from(values, (value) => Math.round((value - min) / scale));
  await writeFile(join(dir, 'weights.bin'), Buffer.concat([steps, bytes.subarray(4 * length)]));
  await writeFile(join(dir, 'model.json'), JSON.stringify(json));
  const planned = await runCli(['train', '--weights', 'model.json', '--dry-run', '--json'], { cwd: dir });
  expect(planned.code, planned.stderr).toBe(0);
  expect(planned.stderr).toContain('The weights in model.json are quantized to uint8: they are less precise');
});
