import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareRecorded } from '../../src/compare/outcome.js';
import { readDefaults } from '../../src/config/settings.js';
import { readRun } from '../../src/runs/read-run.js';
import { ROOT, runCli } from './run-cli.js';

/**
 * Runs of the version before this program was laid out anew: images/, runs/{fixed,1cycle}-seed{0,1}, the range test
 * runs/find-lr-seed0, the interrupted runs/1cycle-seed7, and the steps of that run where it was not interrupted.
 */
const FIXTURE = join(ROOT, 'test', 'fixtures', 'runs-v1.tar.gz');

let home: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'onecycle-old-runs-'));
  execFileSync('tar', ['xzf', FIXTURE, '-C', home]);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const RUNS = ['fixed-seed0', 'fixed-seed1', '1cycle-seed0', '1cycle-seed1'].map((name) => join('runs', name));
const lines = (path: string) => readFileSync(path, 'utf8').split('\n').slice(0, -1);

test('compare reads them: equal on average, and no claim', async () => {
  const { comparison, status } = await compareRecorded(
    RUNS.map((run) => join(home, run)),
    readDefaults().settings,
  );
  expect(status).toBe('completed');
  // 7/10 and 5/10 against 6/10 and 6/10.
  expect(comparison.difference).toMatchObject({ arm: '1cycle', baseline: 'fixed', mean: 0 });
  expect(
    comparison.difference?.perSeed.map(({ seed, difference }) => [seed, Number(difference.toFixed(9))]),
  ).toEqual([
    [0, -0.1],
    [1, 0.1],
  ]);
  expect(comparison.verdict.claim).toBe('none');
  expect(comparison.warnings).toEqual([]);

  const { code, stdout } = await runCli(['compare', ...RUNS, '--json'], { cwd: home });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ difference: { mean: 0 }, verdict: { claim: 'none' } });
});

test('compare with their options takes them, instead of training them again', async () => {
  const options = '--image-size 32 --trainable head --batch-size 4 --epochs 2 --seeds 2 --backend wasm'.split(
    ' ',
  );
  const args = ['compare', '--data', 'images', ...options, '--lr', '0.01', '--json'];
  const { code, stderr, stdout } = await runCli(args, { cwd: home });
  expect(code, stderr).toBe(0);
  const [recorded, here] = [
    await readRun(join(home, RUNS[0]!)),
    JSON.parse(stdout) as { environment: object },
  ];
  // A processor with other arithmetic has to train its own.
  const same = recorded.environment['arithmetic'] === (here.environment as { arithmetic: string }).arithmetic;
  expect(stderr.match(/is taken from/gu)?.length ?? 0).toBe(same ? 4 : 0);
});

test('train --resume goes on, to the bits of the run that was never interrupted', async () => {
  const run = join('runs', '1cycle-seed7');
  expect(lines(join(home, run, 'steps.jsonl'))).toHaveLength(16);
  const before = await readRun(join(home, run));
  const { code, stderr, stdout } = await runCli(['train', '--resume', run, '--json', '--quiet'], {
    cwd: home,
  });
  expect(code, stderr).toBe(0);
  const { status, environment, events } = JSON.parse(stdout) as {
    status: string;
    environment: { arithmetic: string; history?: { fromStep: number }[] };
    events: object[];
  };
  expect(status).toBe('completed');
  const [steps, expected] = [join(home, run, 'steps.jsonl'), join(home, 'expected-steps.jsonl')];
  expect(lines(steps)).toHaveLength(320);
  if (environment.arithmetic === before.environment['arithmetic']) {
    expect(readFileSync(steps, 'utf8')).toBe(readFileSync(expected, 'utf8'));
    expect(events).toEqual([]);
  } else {
    expect(lines(steps).slice(0, 16)).toEqual(lines(expected).slice(0, 16));
    expect(environment.history).toMatchObject([{ fromStep: 0, arithmetic: 'fused' }, { fromStep: 16 }]);
  }
  expect(existsSync(join(home, run, '.lock'))).toBe(false);
});

test('--lr from: reads their range test: first its refusal, then the rates of one that found some', async () => {
  const run = join('runs', 'find-lr-seed0');
  const args = [
    'train',
    '--data',
    'images',
    '--batch-size',
    '4',
    '--image-size',
    '32',
    '--trainable',
    'head',
  ];
  const from = () => runCli([...args, '--lr', `from:${run}`, '--dry-run', '--json'], { cwd: home });
  const refused = await from();
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(
    /--lr from:\S+: that range test gave no rate\. The loss stayed flat at 0\.68/,
  );

  const recommended = { learningRate: 0.02, fixedLearningRate: 0.01 };
  for (const name of ['suggestion.json', 'result.json']) {
    const path = join(home, run, name);
    const document = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...document, recommended }));
  }
  const taken = await from();
  expect(taken.code, taken.stderr).toBe(0);
  expect(JSON.parse(taken.stdout)).toMatchObject({ config: { lr: 0.02, lrFrom: run } });
  expect(taken.stderr).not.toContain('may not fit here');
});
