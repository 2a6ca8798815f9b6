import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runCli } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

/** The home folder of all commands here; it holds `data`, which has train/ and val/, and `flat`, which has neither. */
let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'onecycle-settings-'));
  await tinyImages(join(home, 'data'));
  cpSync(join(home, 'data', 'train'), join(home, 'flat'), { recursive: true });
  return () => rm(home, { recursive: true, force: true });
});

const SMALL = ['--image-size', '32', '--batch-size', '8', '--epochs', '2', '--trainable', 'last:1'];

type Json = Record<string, unknown>;

/** Runs a command in the home folder and gives its JSON document. */
async function document(command: string, ...args: string[]): Promise<Json & { run: string; config: Json }> {
  const { code, stdout, stderr } = await runCli([command, '--json', '--quiet', ...args], {
    cwd: home,
    env: { HOME: home },
  });
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Json & { run: string; config: Json };
}

const train = (...args: string[]) => document('train', '--workers', '1', ...args);
const file = (run: string, name: string) => readFileSync(resolve(home, run, name), 'utf8');
const steps = ({ run }: { run: string }) => file(run, 'steps.jsonl');

describe('the home folder', () => {
  test('is meant by ~/ where a shell leaves it as it is: flags and files', async () => {
    const first = await train('--data=~/data', '--out=~/a', ...SMALL);
    expect(first.run).toBe(join(home, 'a', '1cycle-seed0'));
    expect(first.config['data']).toBe(join(home, 'data'));
    writeFileSync(join(home, 'my.json'), '{"data": "~/data", "out": "~/b"}');
    const second = await train('--config=~/my.json', ...SMALL);
    expect(second.run).toBe(join(home, 'b', '1cycle-seed0'));
    expect(steps(second)).toBe(steps(first));
    expect(existsSync(join(home, '~'))).toBe(false);

    const compared = await document('compare', '~/a/1cycle-seed0', '~/b/1cycle-seed0');
    expect(compared['arms']).toMatchObject([{ policy: '1cycle' }]);
  });

  test('paths in a config file count from the working directory, not from the file', async () => {
    cpSync(join(home, 'data'), join(home, 'elsewhere', 'data', 'wrong'), { recursive: true });
    writeFileSync(join(home, 'elsewhere', 'my.json'), '{"data": "data", "out": "c"}');
    const { run } = await train('--config', join('elsewhere', 'my.json'), ...SMALL);
    expect(run).toBe(join('c', '1cycle-seed0'));
    expect(existsSync(join(home, run))).toBe(true);
  });
});

describe("a run's own config.json as --config", () => {
  test.each([
    ['1cycle', []],
    ['fixed', ['--policy', 'fixed', '--decay-every', '1', '--seed', '3', '--arm', 'mine']],
    ['shifted', ['--arm', '1cycle@9', '--pair', '0', '--seed', '9']],
  ])('trains the same run: %s', async (name, options) => {
    const first = await train('--data', 'data', '--out', `first-${name}`, ...SMALL, ...options);
    const config = join(first.run, 'config.json');
    const again = await train('--config', config, '--out', `again-${name}`);
    // There its rate is a stated one.
    expect(again.config).toEqual({ ...first.config, lrSource: 'stated' });
    expect(steps(again)).toBe(steps(first));
  });

  test('holds the pair of its own seed, and of no other', async () => {
    const { run } = await train('--data', 'data', '--out', 'p', ...SMALL, '--arm', 'x', '--pair', '4');
    const config = join(run, 'config.json');
    const own = await train('--config', config, '--seed', '0', '--dry-run');
    expect(own.config).toMatchObject({ seed: 0, pair: 4 });
    const other = await train('--config', config, '--seed', '5', '--dry-run');
    expect(other.config).not.toHaveProperty('pair');
  });

  test('gives compare its settings, and another --policy its own name', async () => {
    const { run } = await train('--data', 'data', '--out', 'd', ...SMALL);
    const other = await train('--config', join(run, 'config.json'), '--policy', 'fixed', '--out', 'd');
    expect(other.run).toBe(join('d', 'fixed-seed0'));
    // Both runs are there already.
    const compared = await document(
      'compare',
      '--config',
      join(run, 'config.json'),
      '--seeds',
      '1',
      '--out',
      'd',
    );
    const runs = (compared['arms'] as { runs: { run: string }[] }[]).map((arm) => arm.runs[0]?.run);
    expect(runs).toEqual([other.run, run]);
  });

  test('of find-lr makes the same range test', async () => {
    const sweep = ['--steps', '12', '--seeds', '2', '--max-lr', '1'];
    const first = await document('find-lr', '--data', 'data', '--out', 'e', ...SMALL, ...sweep);
    const again = await document('find-lr', '--config', join(first.run, 'config.json'), '--out', 'f');
    expect(again.config).toEqual(first.config);
    expect(again['curves']).toEqual(first['curves']);
  });

  test('of an extended run is told to be another', async () => {
    const { run } = await train('--data', 'data', '--out', 'g', ...SMALL);
    await train('--resume', run, '--extend-to', '3');
    const args = ['train', '--config', join(run, 'config.json'), '--dry-run', '--json'];
    const { code, stdout, stderr } = await runCli(args, { cwd: home });
    expect(code).toBe(0);
    expect(stderr).toContain('of a run that was extended on its way: here all its epochs are planned');
    expect(JSON.parse(stdout)).toMatchObject({ config: { epochs: 3 } });
  });
});

describe('the split of a folder without val/', () => {
  const flat = (...args: string[]) => train('--data', 'flat', '--val-split', '0.25', ...SMALL, ...args);
  const files = ({ run }: { run: string }): unknown =>
    (JSON.parse(file(run, 'dataset.json')) as Json)['files'];

  test('is the same for all seeds; --split-seed moves it', async () => {
    const first = await flat('--out', 'h');
    expect(first.config['splitSeed']).toBe(0);
    const other = await flat('--out', 'h', '--seed', '5');
    expect(files(other)).toEqual(files(first));
    expect(steps(other)).not.toBe(steps(first));
    const moved = await flat('--out', 'h', '--seed', '5', '--split-seed', '5', '--arm', 'moved');
    expect(files(moved)).not.toEqual(files(first));
  });

  test('is the same for compare, whose first seed is another', async () => {
    const first = await flat('--out', 'i');
    const options = ['--policies', '1cycle', '--seeds', '1', '--seed', '5', '--out', 'i', ...SMALL];
    const split = ['--data', 'flat', '--val-split', '0.25'];
    const compared = await document('compare', ...split, ...options);
    const run = (compared['arms'] as { runs: { run: string }[] }[])[0]?.runs[0]?.run ?? '';
    expect(files({ run })).toEqual(files(first));
  });

  test('of a recorded run is kept on resume', async () => {
    // As runs were recorded whose split went with --seed.
    const { run } = await flat('--out', 'j', '--seed', '5', '--split-seed', '5');
    const extended = await train('--resume', run, '--extend-to', '3');
    expect(extended.config['splitSeed']).toBe(5);
  });
});
