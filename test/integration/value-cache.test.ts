import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { runCli, scratchFolder } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

const OPTIONS = '--image-size 32 --trainable head --views 2 --batch-size 8 --epochs 2'.split(' ');

/** What a run leaves that a cache must not change. */
function traceOf(run: string) {
  const files = ['steps.jsonl', 'predictions.jsonl', 'dataset.json', 'model/weights.bin'];
  return files.map((name) => readFileSync(join(run, name), 'base64'));
}

/** How much of each kind is kept, in bytes. */
function kept(cache: string): Record<string, number> {
  const folder = join(cache, 'computed');
  const sizes: Record<string, number> = {};
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const kind = name.replace(/-.*/u, '');
    for (const file of readdirSync(join(folder, name)))
      sizes[kind] = (sizes[kind] ?? 0) + statSync(join(folder, name, file)).size;
  }
  return sizes;
}

test('what commands keep for later ones changes no bit, not even after a file has changed', async () => {
  const cwd = await scratchFolder();
  const cache = join(cwd, 'cache');
  await tinyImages(join(cwd, 'data'));
  const train = async (out: string, size: string, ...more: string[]) => {
    const args = ['train', '--data', 'data', '--out', out, ...OPTIONS, ...more];
    const { code, stderr } = await runCli(args, {
      cwd,
      env: { ONECYCLE_CACHE: cache, ONECYCLE_CACHE_SIZE: size },
    });
    expect(code, stderr).toBe(0);
    return traceOf(join(cwd, out, readdirSync(join(cwd, out))[0] ?? ''));
  };
  const plain = await train('plain', '0');
  expect(kept(cache)).toEqual({});
  expect(await train('first', '1G')).toEqual(plain);
  const first = kept(cache);
  expect(Object.keys(first).sort()).toEqual(['features', 'images']);
  expect(await train('second', '1G')).toEqual(plain);
  expect(kept(cache)).toEqual(first);
  // Another seed sees the same images otherwise: what it computes is added.
  await train('reseeded', '1G', '--seed', '1');
  expect(kept(cache)['images']).toBe(first['images']);

  // Another picture under the same name, with the same size in bytes and the same date.
  const [one = '', other = ''] = ['0', '1'].map((name) => join(cwd, 'data/train/ants', `${name}.png`));
  const { mtime } = statSync(one);
  const [bytes, length] = [readFileSync(other), statSync(one).size];
  writeFileSync(one, Buffer.concat([bytes, Buffer.alloc(Math.max(0, length - bytes.length))]));
  utimesSync(one, mtime, mtime);
  const changed = await train('changed', '1G');
  expect(changed).not.toEqual(plain);
  expect(changed).toEqual(await train('changed-plain', '0'));

  // Damage in every pack.
  for (const name of readdirSync(join(cache, 'computed'))) {
    for (const file of readdirSync(join(cache, 'computed', name))) {
      const path = join(cache, 'computed', name, file);
      const pack = readFileSync(path);
      pack[20]! ^= 1;
      writeFileSync(path, pack);
    }
  }
  expect(await train('damaged', '1G')).toEqual(changed);
}, 180_000);

test("a comparison's threads take what another has computed, and compute the rest", async () => {
  const cwd = await scratchFolder();
  const cache = join(cwd, 'cache');
  await tinyImages(join(cwd, 'data'));
  const compare = async (out: string, size: string, seeds: string) => {
    const args = ['compare', '--data', 'data', '--out', out, '--seeds', seeds, '--jobs', '2', ...OPTIONS];
    const env = { ONECYCLE_CACHE: cache, ONECYCLE_CACHE_SIZE: size };
    const { code, stderr } = await runCli(args, { cwd, env });
    expect(code, stderr).toBe(0);
    const runs = readdirSync(join(cwd, out)).filter((name) => !name.startsWith('find-lr'));
    return runs.sort().map((run) => traceOf(join(cwd, out, run)));
  };
  const plain = await compare('plain', '0', '2');
  expect(await compare('first', '1G', '2')).toEqual(plain);
  const first = kept(cache);
  expect(first['features']).toBeGreaterThan(0);
  expect(await compare('second', '1G', '2')).toEqual(plain);
  expect(kept(cache)).toEqual(first);
}, 180_000);

test('an image that cannot be decoded is named every time', async () => {
  const cwd = await scratchFolder();
  await tinyImages(join(cwd, 'data'));
  writeFileSync(join(cwd, 'data/train/ants/bad.png'), 'no image');
  const empty = sharp({ create: { width: 32, height: 32, channels: 3, background: '#333' } });
  await empty.png().toFile(join(cwd, 'data/train/ants/plain.png'));
  const env = { ONECYCLE_CACHE: join(cwd, 'cache'), ONECYCLE_CACHE_SIZE: '1G' };
  const said = [];
  for (const out of ['a', 'b']) {
    const args = ['train', '--data', 'data', '--out', out, ...OPTIONS];
    const { code, stderr } = await runCli(args, { cwd, env });
    expect(code, stderr).toBe(0);
    said.push(stderr.split('\n').filter((line) => line.includes('.png')));
  }
  expect(said[0]?.join()).toMatch(/bad\.png.*plain\.png/su);
  expect(said[1]).toEqual(said[0]);
}, 120_000);

test('a size that is none is refused', async () => {
  const cwd = await scratchFolder();
  await tinyImages(join(cwd, 'data'));
  const env = { ONECYCLE_CACHE_SIZE: 'huge' };
  const { code, stderr } = await runCli(['train', '--data', 'data', ...OPTIONS], { cwd, env });
  expect(code).toBe(2);
  expect(stderr).toContain('for the environment variable ONECYCLE_CACHE_SIZE but received huge');
});
