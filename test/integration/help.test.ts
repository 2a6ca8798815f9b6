import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { flagName, OPTIONS, type OptionSpec } from '../../src/config/options.js';
import { ROOT, runCli, scratchFolder } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

/** A module for --import that writes the address of every module that is resolved into `file`. */
function recorder(file: string): string {
  const hooks =
    `import { appendFileSync } from 'node:fs';` +
    `export async function resolve(specifier, context, next) {` +
    `  const found = await next(specifier, context);` +
    `  appendFileSync(${JSON.stringify(file)}, found.url + '\\n');` +
    `  return found;` +
    `}`;
  const script = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;
  return script(`import { register } from 'node:module'; register(${JSON.stringify(script(hooks))});`);
}

/** Runs the program and tells which modules it loaded. */
async function modulesOf(args: readonly string[]) {
  const file = join(await scratchFolder(), 'modules.txt');
  const result = await runCli(args, { env: { NODE_OPTIONS: `--import=${recorder(file)}` } });
  return { ...result, modules: readFileSync(file, 'utf8') };
}

const HEAVY = ['@tensorflow', 'zod', 'sharp', 'echarts', 'cli-progress', '/dist/engine/', '/dist/report/'];

describe('nothing heavy is loaded', () => {
  test.each([
    ['--help', 0],
    ['--version', 0],
    ['train --help', 0],
    ['find-lr --help', 0],
    ['compare --help', 0],
    ['help train', 0],
    ['train --no-such-option', 2],
    ['', 2],
  ])('by onecycle %s', async (line, expected) => {
    const { code, modules, stderr } = await modulesOf(line.split(' ').filter(Boolean));
    expect(code, stderr).toBe(expected);
    // The recorder works.
    expect(modules).toMatch(/node_modules\/commander\//);
    for (const name of HEAVY) expect(modules).not.toContain(name);
  });

  test('but by a command, or this test could not fail', async () => {
    const { code, modules } = await modulesOf(['train', '--data', 'no/such/folder', '--backend', 'cpu']);
    expect(code).toBe(2);
    for (const name of ['@tensorflow', 'zod', 'sharp']) expect(modules).toContain(name);
  });

  test('on the processor no TensorFlow.js, also for the whole of a training', async () => {
    const dir = await scratchFolder();
    await tinyImages(dir);
    const run = ['train', '--data', dir, '--out', join(dir, 'runs'), '--backend', 'wasm', '--workers', '2'];
    const tiny = ['--trainable', 'last:1', '--image-size', '32', '--epochs', '2', '--batch-size', '12'];
    const { code, modules, stderr } = await modulesOf([...run, ...tiny]);
    expect(code, stderr).toBe(0);
    expect(modules).toContain('/dist/engine/wasm/');
    expect(modules).not.toContain('@tensorflow');
  });
});

describe('help', () => {
  test.each(['find-lr', 'train', 'compare'] as const)(
    'of %s lists its options, and theirs alone',
    async (name) => {
      const { code, stdout, stderr } = await runCli([name, '--help']);
      expect(code).toBe(0);
      expect(stderr).toBe('');
      const specs: [string, OptionSpec][] = Object.entries(OPTIONS);
      for (const [option, { commands }] of specs) {
        const flag = option === 'color' ? '--no-color' : flagName(option);
        expect(new RegExp(`^  ${flag}( |$)`, 'm').test(stdout), flag).toBe(commands.includes(name));
      }
      for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
      if (name !== 'find-lr')
        expect(stdout).toMatch(/Learning rates without --lr.*\n.*fixed \S+ +1cycle \S+/s);
    },
  );

  test('of the program names its commands', async () => {
    const { code, stdout, stderr } = await runCli(['--help']);
    expect([code, stderr]).toEqual([0, '']);
    for (const name of ['find-lr', 'train', 'compare'])
      expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
  });

  test('is shown on stderr where no command is given: wrong usage, exit code 2', async () => {
    const { code, stdout, stderr } = await runCli([]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Usage: onecycle/);
  });

  test("the version is the package's", async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await runCli(['--version'])).toEqual({ code: 0, stdout: version, stderr: '' });
  });
});

test('before it is built the program says so: exit 2', async () => {
  const root = await scratchFolder();
  for (const part of ['bin', 'package.json']) cpSync(join(ROOT, part), join(root, part), { recursive: true });
  const bin = join(root, 'bin', 'onecycle.js');
  const { exitCode, stdout, stderr } = await execa(process.execPath, [bin, '--help'], { reject: false });
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(stderr).toBe('onecycle: It is not built yet. Run "npm run build" in its folder.');
});
