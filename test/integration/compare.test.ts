import { execa } from 'execa';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { interrupt, lines, runFolders } from './interrupted-run.js';
import { runCli, scratchFolder, startCli } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

let home: string;
let data: string;
let out: string;
/** What the comparison that all tests share printed. */
let document: ReturnType<typeof JSON.parse>;

const SMALL = '--image-size 32 --trainable head --views 1 --batch-size 8 --epochs 2 --seeds 2'.split(' ');
const RATES = ['--lr', 'fixed=0.01,1cycle=0.02'];
const compareInto = (dir: string) => ['compare', '--data', data, '--out', dir, ...SMALL, ...RATES, '--json'];

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'onecycle-compare-'));
  data = join(home, 'data');
  out = join(home, 'runs');
  await tinyImages(data, { train: 16, valid: 12 });
  const { code, stdout, stderr } = await runCli(compareInto(out));
  expect(code, stderr).toBe(0);
  document = JSON.parse(stdout);
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Without what may differ: times, and where the runs lie. */
function answer(text: string, dir: string): unknown {
  const times = new Set(['seconds', 'secondsToTarget', 'environment', 'jobs']);
  return JSON.parse(text.replaceAll(`${dir}/`, ''), (key, value: unknown) =>
    times.has(key) ? undefined : value,
  );
}

const expected = () => answer(JSON.stringify(document), out);

test('the document has the fields that are promised', () => {
  expect(document).toMatchObject({
    schemaVersion: 1,
    command: 'compare',
    status: 'completed',
    config: {
      policies: ['fixed', '1cycle'],
      seeds: 2,
      seed: 0,
      epochs: 2,
      lr: { fixed: 0.01, '1cycle': 0.02 },
    },
    dataset: { classes: ['ants', 'bees'], train: 32, valid: 24 },
    warnings: [],
  });
  expect(document['environment'].backend).toBe('wasm');
  expect(document['seconds']).toBeGreaterThan(0);
  expect(document['arms'].map(({ policy }: { policy: string }) => policy)).toEqual(['fixed', '1cycle']);
  for (const arm of document['arms']) {
    expect(arm.failed).toEqual([]);
    expect(arm.runs.map(({ seed }: { seed: number }) => seed)).toEqual([0, 1]);
    for (const { run, best, final } of arm.runs) {
      expect(existsSync(join(run, 'result.json'))).toBe(true);
      expect(final).toEqual({ ...final, epoch: 2, total: 24, validAccuracy: final.correct / 24 });
      expect(best.correct).toBeGreaterThanOrEqual(final.correct);
    }
    const mean = (arm.runs[0].final.validAccuracy + arm.runs[1].final.validAccuracy) / 2;
    expect(arm.finalAccuracy.mean).toBeCloseTo(mean, 12);
    for (const name of ['bestAccuracy', 'finalAccuracy', 'validLoss', 'stepsToTarget']) {
      expect(Object.keys(arm[name])).toEqual(expect.arrayContaining(['mean', 'sd', 'low', 'high']));
    }
  }
  const [fixed, cycle] = document['arms'];
  expect(document['difference']).toEqual(document['differences'][0]);
  expect(document['difference']).toMatchObject({ arm: '1cycle', baseline: 'fixed', metric: 'finalAccuracy' });
  expect(document['difference'].mean).toBeCloseTo(cycle.finalAccuracy.mean - fixed.finalAccuracy.mean, 12);
  expect(Object.keys(document['verdict'])).toEqual(['kind', 'rates', 'claim', 'title', 'detail', 'sentence']);
});

test('a second compare takes the runs that are there, names them and trains nothing', async () => {
  const before = runFolders(out).map((dir) => [dir, statSync(join(dir, 'steps.jsonl')).mtimeMs]);
  const { code, stdout, stderr } = await runCli(compareInto(out));
  expect(code).toBe(0);
  for (const [dir] of before) expect(stderr).toContain(`is taken from ${dir}`);
  expect(stderr).not.toContain('epoch 1');
  expect(runFolders(out).map((dir) => [dir, statSync(join(dir, 'steps.jsonl')).mtimeMs])).toEqual(before);
  expect(answer(stdout, out)).toEqual(expected());
});

test('reading the runs, in whatever order, tells the same as training them', async () => {
  const { code, stdout } = await runCli(['compare', ...runFolders(out).reverse(), '--json']);
  expect(code).toBe(0);
  expect(answer(stdout, out)).toEqual(expected());
  const { environment } = JSON.parse(stdout);
  expect(environment).toMatchObject({ backend: 'wasm', jobs: expect.any(Number) });
});

test('an interrupted compare goes on where it stopped, to the same answer', async () => {
  const dir = join(await scratchFolder(), 'runs');
  const ready = () => runFolders(dir).some((run) => lines(join(run, 'steps.jsonl')).length >= 3);
  const stopped = await interrupt([...compareInto(dir), '--jobs', '1'], ready);
  expect(stopped.code).toBe(130);
  expect(JSON.parse(stopped.stdout).status).toBe('interrupted');
  const begun = runFolders(dir);
  const { code, stdout, stderr } = await runCli([...compareInto(dir), '--jobs', '1']);
  expect(code).toBe(0);
  expect(stderr).toMatch(/goes on in|is taken from/u);
  expect(runFolders(dir)).toEqual(expect.arrayContaining(begun));
  expect(runFolders(dir)).toHaveLength(4);
  expect(answer(stdout, dir)).toEqual(expected());
});

test('a second compare on the same --out refuses while the first trains, and names its process', async () => {
  const dir = join(await scratchFolder(), 'runs');
  const args = [...compareInto(dir), '--epochs', '300', '--jobs', '1'];
  const first = startCli(args);
  while (!runFolders(dir).some((run) => lines(join(run, 'epochs.jsonl')).length > 0)) await sleep(5);
  const second = await runCli(args);
  first.kill('SIGINT');
  expect((await first).exitCode).toBe(130);
  expect(second.code).toBe(2);
  expect(JSON.parse(second.stdout)).toMatchObject({ status: 'error', error: { exitCode: 2 } });
  expect(second.stderr).toMatch(
    new RegExp(`fixed-seed0 of this comparison is being trained already: .* in use by process ${first.pid} `),
  );
  expect(runFolders(dir)).toEqual([join(dir, 'fixed-seed0')]);
});

test('the lines of --plan train the same runs, and what has come is not planned again', async () => {
  const dir = join(await scratchFolder(), 'ru ns');
  cpSync(join(out, 'fixed-seed0'), join(dir, 'fixed-seed0'), { recursive: true });
  const planned = await runCli(['compare', '--plan', '--data', data, '--out', dir, ...SMALL, ...RATES]);
  expect(planned.code).toBe(0);
  expect(readdirSync(dir)).toEqual(['fixed-seed0']);
  const commands = planned.stdout.split('\n').filter((line) => !line.startsWith('#'));
  expect(commands).toHaveLength(3);
  expect(planned.stdout).toMatch(/^# fixed with seed 0 is there already/mu);
  expect(planned.stdout).toMatch(/^# Power: /mu);
  expect(planned.stdout).toMatch(/^# Time: about /mu);
  for (const command of commands) {
    // As a shell would read it, from another folder.
    const { stdout: words } = await execa('sh', ['-c', `printf '%s\\n' ${command}`]);
    const [program, ...args] = words.split('\n');
    expect(program).toBe('onecycle');
    expect(args).toEqual(
      expect.arrayContaining(['--seed', '--split-seed', '--lr', '--arm', '--backend', '--out']),
    );
    const { code, stderr } = await runCli([...args, '--quiet'], { cwd: tmpdir() });
    expect(code, stderr).toBe(0);
  }
  const compared = await runCli(['compare', ...runFolders(dir), '--json']);
  expect(answer(compared.stdout, dir)).toEqual(expected());
  const again = await runCli(compareInto(dir));
  expect(again.stderr.match(/is taken from/gu)).toHaveLength(4);
});

test('--plan --json is one document that trains nothing', async () => {
  const dir = join(await scratchFolder(), 'runs');
  const { code, stdout } = await runCli([...compareInto(dir), '--plan']);
  expect(code).toBe(0);
  expect(existsSync(dir)).toBe(false);
  const { plan, command } = JSON.parse(stdout);
  expect(command).toBe('compare');
  expect(plan.runs).toHaveLength(4);
  expect(plan.runs[0]).toMatchObject({ arm: 'fixed', seed: 0, recorded: null });
  expect(plan.power).toMatchObject({ difference: 0.02, pairs: 0, seeds: 2 });
  expect(plan.time).toMatchObject({ from: 'steps', missing: 4 });
  expect(plan.time.secondsPerRun).toBeGreaterThan(0);
});

test('--report writes one page that needs nothing else, and its charts', async () => {
  const report = join(await scratchFolder(), 'report');
  const { code, stderr } = await runCli(['compare', ...runFolders(out), '--report', report]);
  expect(code).toBe(0);
  expect(stderr).toContain(join(report, 'report.html'));
  const charts = ['accuracy', 'difference', 'learning-rate', 'momentum', 'train-loss', 'valid-loss'];
  expect(readdirSync(report).sort()).toEqual(
    [...charts.flatMap((name) => [`${name}.png`, `${name}.svg`]), 'report.html'].sort(),
  );
  for (const name of charts) {
    expect(
      readFileSync(join(report, `${name}.png`))
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG');
  }
  const page = readFileSync(join(report, 'report.html'), 'utf8');
  expect(page).not.toMatch(/<script|<link|(?:src|href)="(?!data:)/u);
  expect(page.replaceAll('http://www.w3.org/', '')).not.toMatch(/https?:/u);
  for (const text of ['1cycle', 'ants', 'bees', 'fixed-seed0']) expect(page).toContain(text);
  expect(readdirSync(out).filter((name) => !name.startsWith('.'))).toHaveLength(4);
});

test.each([
  ['a file', 'page.html', /Expected a folder for --report/u],
  ['the folder of runs', 'runs', /--report and --out are both/u],
])('--report refuses %s before anything is read', async (_, report, message) => {
  const { code, stderr } = await runCli(['compare', 'nothing', '--out', 'runs', '--report', report]);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

test('three arms: every difference with an adjusted p, the verdict on the last against the first', async () => {
  const { code, stdout } = await runCli([...compareInto(out), '--policies', 'fixed,fixed:cosine,1cycle']);
  expect(code).toBe(0);
  const { differences, difference, verdict, arms } = JSON.parse(stdout);
  expect(arms.map(({ policy }: { policy: string }) => policy)).toEqual(['fixed', 'fixed:cosine', '1cycle']);
  expect(differences.map(({ arm, baseline }: Record<string, string>) => [arm, baseline])).toEqual([
    ['fixed:cosine', 'fixed'],
    ['1cycle', 'fixed'],
  ]);
  expect(difference).toEqual(differences[1]);
  expect(verdict.sentence).toContain('1cycle');
  for (const { pValue, adjustedPValue } of differences) expect(adjustedPValue).toBeGreaterThanOrEqual(pValue);
  const read = await runCli(['compare', ...runFolders(out), '--json']);
  expect(answer(read.stdout, out)).toEqual(answer(stdout, out));
});
