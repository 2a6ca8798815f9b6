import { execa } from 'execa';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../integration/run-cli.js';

let root: string;
/** A project of somebody else, with the package installed from its tarball. */
let app: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-pack-'));
  app = join(root, 'app');
  await mkdir(app);
  await writeFile(join(app, 'package.json'), '{"private": true}');
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', root];
  const { stdout } = await execa('npm', pack, { cwd: ROOT });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  // The build has been made: what is tried here is what the tarball holds, and that its dependencies are named.
  await execa('npm', ['install', '--prefer-offline', join(root, filename)], { cwd: app });
}, 600_000);
afterAll(() => rm(root, { recursive: true, force: true }));

const onecycle = (...args: string[]) =>
  execa('npx', ['onecycle', ...args], { cwd: app, reject: false, env: { NO_COLOR: '1' } });

test('a dry run finds the bundled data and weights', async () => {
  const { exitCode, stdout, stderr } = await onecycle('train', '--epochs', '1', '--dry-run');
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toMatch(/1 epoch of 32 steps with batches of 32/);
});

test('the manual is there', async () => {
  const { exitCode, stdout } = await onecycle('help', 'speed');
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^speed: .*\n═+\n/);
});

test('a run trains in two threads and is recorded', async () => {
  const head = ['--trainable', 'head', '--epochs', '1', '--workers', '2', '--backend', 'wasm'];
  const { exitCode, stdout, stderr } = await onecycle('train', ...head, '--json');
  expect(exitCode, stderr).toBe(0);
  const { final, run } = JSON.parse(stdout) as { run: string; final: { validAccuracy: number } };
  // Ten classes: a tenth by chance.
  expect(final.validAccuracy).toBeGreaterThan(0.4);
  expect(JSON.parse(await readFile(join(app, run, 'result.json'), 'utf8'))).toMatchObject({ final });
});

test('compare runs in threads of its own', async () => {
  const head = [
    '--trainable',
    'head',
    '--epochs',
    '1',
    '--seeds',
    '2',
    '--image-size',
    '32',
    '--backend',
    'wasm',
  ];
  const { exitCode, stdout, stderr } = await onecycle('compare', ...head, '--out', 'compared', '--json');
  expect(exitCode, stderr).toBe(0);
  expect(JSON.parse(stdout)).toHaveProperty('verdict');
});
