import { describe, expect, test } from 'vitest';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compileKernels } from '../../src/engine/wasm/compile-kernels.js';
import { runCli, scratchFolder, startCli } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

const PLAN = ['train', '--dry-run', '--trainable', 'head', '--image-size', '32', '--batch-size', '4'];
/** No driver file that the Vulkan loader could find, whatever this machine has. */
const NO_GPU = { VK_ICD_FILENAMES: '/nonexistent/icd.json', VK_DRIVER_FILES: '/nonexistent/icd.json' };

async function images(): Promise<string> {
  const dir = await scratchFolder();
  await tinyImages(dir);
  return dir;
}

/** A tfjs-node-gpu whose installer failed: its files are there, its native addon is not. */
async function brokenInstall(): Promise<Record<string, string>> {
  const modules = await scratchFolder();
  const folder = join(modules, '@tensorflow', 'tfjs-node-gpu');
  await mkdir(join(folder, 'dist'), { recursive: true });
  await writeFile(
    join(folder, 'package.json'),
    '{ "name": "@tensorflow/tfjs-node-gpu", "version": "4.22.0" }',
  );
  return { NODE_PATH: modules };
}

describe('--backend auto without a graphics card', () => {
  test('takes wasm and says in one line why nothing better', async () => {
    const { code, stderr } = await runCli([...PLAN, '--data', await images()], { env: NO_GPU });
    expect(code).toBe(0);
    const said = stderr.split('\n').filter((line) => line.startsWith('Computing on'));
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/^Computing on wasm, \d+ cores? \(tensorflow: .+; webgpu: .+\)\.$/);
  });

  test('passes by a broken install of tfjs-node-gpu', async () => {
    const env = { ...NO_GPU, ...(await brokenInstall()) };
    const { code, stderr } = await runCli([...PLAN, '--data', await images()], { env });
    expect(code).toBe(0);
    expect(stderr).toMatch(/Computing on wasm, .*tensorflow: .*without its native part/);
  });

  test('says nothing with --quiet', async () => {
    const { code, stderr } = await runCli([...PLAN, '--quiet', '--data', await images()], { env: NO_GPU });
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/Computing/);
  });
});

describe('a backend that cannot work here', () => {
  test('tensorflow: a broken install says what is missing and how to get it', async () => {
    const env = await brokenInstall();
    const { code, stderr } = await runCli([...PLAN, '--backend', 'tensorflow', '--data', await images()], {
      env,
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/--backend tensorflow: .*without its native part \(tfjs_binding\.node\)/);
    expect(stderr).toMatch(/npm rebuild @tensorflow\/tfjs-node-gpu/);
  });

  test.skipIf(process.platform !== 'linux')('webgpu: no loader, driver or adapter', async () => {
    const args = [...PLAN, '--backend', 'webgpu', '--data', await images()];
    const { code, stderr } = await runCli(args, { env: NO_GPU });
    expect(code).toBe(2);
    expect(stderr).toMatch(/--backend webgpu: no (Vulkan loader|Vulkan driver|graphics adapter)/);
    expect(stderr).toMatch(/Install the graphics driver/);
  });
});

test('doctor tells what trains here, as a document and as a table', async () => {
  const { code, stdout } = await runCli(['doctor', '--json'], { env: NO_GPU });
  expect(code).toBe(0);
  const found = JSON.parse(stdout);
  expect(found).toMatchObject({ schemaVersion: 1, command: 'doctor', automatic: 'wasm' });
  const names = found.backends.map(({ name }: { name: string }) => name);
  expect(names).toEqual(['tensorflow', 'webgpu', 'wasm', 'cpu']);
  for (const { works, imagesPerSecond, why, remedy } of found.backends) {
    // On a busy machine there may be no time to measure the slow one.
    if (works && why === null) expect(imagesPerSecond).toBeGreaterThan(0);
    else if (works) expect(why).toMatch(/software adapter|no time to measure its speed/);
    else expect(Math.min(why.length, remedy.length)).toBeGreaterThan(10);
  }
  const wasm = found.backends.find(({ name }: { name: string }) => name === 'wasm');
  expect(wasm.info.arithmetic).toBe((await compileKernels()).arithmetic);
  expect(found.folders.cache.writable).toBe(true);
  expect(found.bundledWeights).toContain('mobilenet_v2_0.35_224');
});

test('doctor passes by a driver that hangs, and says so', async () => {
  const env = await brokenInstall();
  const hanging = join(env['NODE_PATH'] ?? '', '@mapbox', 'node-pre-gyp');
  await mkdir(hanging, { recursive: true });
  await writeFile(join(hanging, 'index.js'), 'for (;;) {}');
  const { code, stdout } = await runCli(['doctor', '--json'], { env: { ...NO_GPU, ...env } });
  expect(code).toBe(0);
  const [tensorflow] = JSON.parse(stdout).backends;
  expect(tensorflow).toMatchObject({ name: 'tensorflow', works: false });
  expect(tensorflow.why).toMatch(/^it did not start within [34]\.\d s/);
  expect(tensorflow.remedy).toMatch(/train --backend tensorflow waits as long as it takes/);
});

test('doctor prints each backend as it is done', async () => {
  const child = startCli(['doctor'], { env: NO_GPU });
  const pieces: string[] = [];
  child.stdout.on('data', (piece: Buffer) => pieces.push(String(piece)));
  expect((await child).exitCode).toBe(0);
  const starting = ['onecycle ', 'tensorflow ', 'webgpu ', 'wasm ', 'cpu '];
  const places = starting.map((name) => pieces.findIndex((piece) => piece.startsWith(name)));
  expect(places).not.toContain(-1);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(new Set(places).size).toBe(starting.length);
});
