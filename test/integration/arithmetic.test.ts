import { afterAll, beforeAll, expect, test } from 'vitest';
import { cpSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileFused, compileSeparate, instantiateKernels } from '../../src/engine/wasm/compile-kernels.js';
import { rewriteRun } from '../unit/runs/rewrite-run.js';
import { lines, SMALL_RUN } from './interrupted-run.js';
import { type CliOptions, runCli } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

/** What a user sets for the bits of processors that cannot fuse. */
const SEPARATE = { ONECYCLE_ARITHMETIC: 'separate' };

let root: string;
/** A run of the same images in either arithmetic; on a processor that cannot fuse both are `separate`. */
let runs: Record<'best' | 'separate', string>;

const fused = await compileFused();

async function trained(name: string, options: CliOptions): Promise<string> {
  const out = join(root, name);
  const args = ['train', '--data', join(root, 'data'), '--out', out, '--quiet', '--policy', 'fixed'];
  const { code, stderr } = await runCli(
    [...args, '--backend', 'wasm', ...SMALL_RUN, '--workers', '1'],
    options,
  );
  expect(code, stderr).toBe(0);
  return join(out, 'fixed-seed0');
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-arithmetic-'));
  await tinyImages(join(root, 'data'), { train: 14, valid: 4 });
  runs = {
    best: await trained('best', { env: { ONECYCLE_ARITHMETIC: '' } }),
    separate: await trained('separate', { env: SEPARATE }),
  };
});
afterAll(() => rm(root, { recursive: true, force: true }));

const environmentOf = (run: string) =>
  JSON.parse(readFileSync(join(run, 'environment.json'), 'utf8')) as Record<string, unknown>;
const lossesOf = (run: string) =>
  lines(join(run, 'steps.jsonl')).map((line) => (JSON.parse(line) as { loss: number }).loss);

/** A copy of the run in `separate` that says it was computed in `fused`. */
function relabelled(name: string, change: Record<string, unknown> = {}): string {
  const copy = join(root, name, 'fixed-seed0');
  cpSync(runs.separate, copy, { recursive: true });
  rewriteRun(copy, {
    config: (config) => void Object.assign(config, change),
    environment: (environment) => void Object.assign(environment, { arithmetic: 'fused' }),
  });
  return copy;
}

test('the two builds of the kernels are what they are called', async () => {
  const memory = () => new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const separate = await instantiateKernels((await compileSeparate()).module, memory());
  for (const x of [1 + 2 ** -12, 1 / 3, 12345.678]) {
    const exact = Math.fround(x) ** 2;
    expect(separate.roundingOfSquare(x)).toBe(0);
    if (fused === undefined) continue;
    const { roundingOfSquare } = await instantiateKernels(fused.module, memory());
    // Doubles hold the square of a float exactly, and floats what was rounded away.
    expect(roundingOfSquare(x)).toBe(exact - Math.fround(exact));
  }
});

test('the run says which it was, and the two agree up to rounding', () => {
  expect(environmentOf(runs.separate)['arithmetic']).toBe('separate');
  expect(environmentOf(runs.best)['arithmetic']).toBe(fused === undefined ? 'separate' : 'fused');
  const [separate, best] = [lossesOf(runs.separate), lossesOf(runs.best)];
  expect(best[0]! / separate[0]!).toBeCloseTo(1, 5);
  expect(best.some((loss, i) => loss !== separate[i])).toBe(fused !== undefined);
});

test.skipIf(process.arch !== 'x64')(
  'a processor that cannot fuse takes the build that every one can run',
  async () => {
    // V8 then takes this processor for one without the instruction.
    const run = await trained('old', { flags: ['--no-enable-fma3'], env: { ONECYCLE_ARITHMETIC: '' } });
    expect(environmentOf(run)['arithmetic']).toBe('separate');
    expect(lossesOf(run)).toEqual(lossesOf(runs.separate));
  },
);

test('the environment may ask for nothing else', async () => {
  const args = ['train', '--data', join(root, 'data'), '--out', join(root, 'none'), ...SMALL_RUN];
  const { code, stderr } = await runCli(args, { env: { ONECYCLE_ARITHMETIC: 'seperate' } });
  expect(code).toBe(2);
  expect(stderr).toContain(
    'Expected separate for the environment variable ONECYCLE_ARITHMETIC but received seperate',
  );
});

test('a comparison says that its runs were computed in both', async () => {
  const other = relabelled('compared', { arm: 'other' });
  const { code, stdout } = await runCli(['compare', runs.separate, other, '--quiet', '--json']);
  expect(code).toBe(0);
  expect((JSON.parse(stdout) as { warnings: string[] }).warnings).toContain(
    'The runs differ in how a product is added to a sum: separate (fixed), fused (other).',
  );
});

test('a resume says that it goes on in the other', async () => {
  const run = relabelled('resumed');
  const args = ['train', '--resume', run, '--extend-to', '5', '--quiet'];
  const { code, stderr } = await runCli(args, { env: SEPARATE });
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('The run goes on with arithmetic separate after fused: from step');
});

test('a comparison takes no run that was computed in the other for its own', async () => {
  // At the rates that train has without --lr.
  const same = ['--lr', 'fixed=3e-4,1cycle=5e-4', '--backend', 'wasm', '--seeds', '1'];
  const args = ['compare', '--data', join(root, 'data'), ...SMALL_RUN, ...same];
  const takes = async (run: string) => {
    const { code, stderr } = await runCli([...args, '--out', join(run, '..')], { env: SEPARATE });
    expect(code, stderr).toBe(0);
    return stderr.includes('is taken from');
  };
  expect(await takes(relabelled('reused'))).toBe(false);
  expect(await takes(runs.separate)).toBe(true);
});
