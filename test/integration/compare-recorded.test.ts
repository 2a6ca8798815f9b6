import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runFolders } from './interrupted-run.js';
import { runCli, scratchFolder, type CliResult } from './run-cli.js';
import { rewriteRun } from '../unit/runs/rewrite-run.js';
import { tinyImages } from './tiny-images.js';

/** A document as it comes from the disk or from stdout. */
type Parsed = ReturnType<typeof JSON.parse>;

const OPTIONS = '--image-size 32 --trainable head --views 1 --batch-size 4 --epochs 1 --seeds 3'.split(' ');

let home: string;
/** fixed and 1cycle with seeds 0, 1 and 2. */
let out: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'onecycle-recorded-'));
  out = join(home, 'runs');
  const data = join(home, 'data');
  await tinyImages(data, { train: 8, valid: 8 });
  const { code, stderr } = await runCli(['compare', '--data', data, '--out', out, ...OPTIONS]);
  expect(code, stderr).toBe(0);
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Copies of runs that a test may damage. */
async function copies(...names: readonly string[]): Promise<string[]> {
  const dir = await scratchFolder();
  return (names.length > 0 ? names : runFolders(out).map((run) => basename(run))).map((name) => {
    cpSync(join(out, name), join(dir, name), { recursive: true });
    return join(dir, name);
  });
}

function change(file: string, edit: (document: Parsed) => void): void {
  const document = JSON.parse(readFileSync(file, 'utf8'));
  edit(document);
  writeFileSync(file, JSON.stringify(document));
}

async function read(dirs: readonly string[]): Promise<CliResult & { document: Parsed }> {
  const result = await runCli(['compare', ...dirs, '--json']);
  return { ...result, document: result.stdout === '' ? {} : JSON.parse(result.stdout) };
}

test('one seed: the difference is told, nothing is claimed', async () => {
  const { code, document } = await read(await copies('fixed-seed0', '1cycle-seed0'));
  expect(code).toBe(0);
  expect(document['status']).toBe('completed');
  expect(document['difference'].mean).toEqual(expect.any(Number));
  expect(document['difference']).toMatchObject({ low: null, high: null, pValue: null });
  expect(document['verdict'].claim).toBe('none');
  expect(document['verdict'].sentence).toMatch(/one seed/u);
});

test('a folder given twice is refused, also through a link', async () => {
  const [run = ''] = await copies('fixed-seed0');
  expect((await read([run, run])).stderr).toContain(`${run} is given twice`);
  const link = join(await scratchFolder(), 'link');
  symlinkSync(run, link);
  const { code, stderr } = await read([run, link]);
  expect(code).toBe(2);
  expect(stderr).toContain(`${run} and ${link} are the same folder`);
});

test('a run that lies in two folders counts once, with a warning', async () => {
  const dirs = await copies();
  const twin = join(await scratchFolder(), 'twin');
  cpSync(dirs[0]!, twin, { recursive: true });
  const [once, twice] = [await read(dirs), await read([...dirs, twin])];
  expect(twice.document['warnings']).toEqual([
    expect.stringContaining(`${dirs[0]} and ${twin} are the same run`),
  ]);
  expect(twice.document['difference']).toEqual(once.document['difference']);
});

test('flags that say how runs are trained have no effect on recorded ones, and that is said', async () => {
  const dirs = await copies();
  const { code, stderr } = await runCli(['compare', ...dirs, '--epochs', '9', '--seeds', '5', '--quiet']);
  expect(code).toBe(0);
  expect(stderr).toContain(
    '--epochs, --seeds: no effect here, since the runs that are named are compared as they are.',
  );
  for (const flag of ['--plan', '--dry-run']) {
    const refused = await runCli(['compare', ...dirs, flag]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(`${flag} is about runs to be trained`);
  }
});

test('an unfinished run is named with what is missing; two seeds of each arm remain', async () => {
  const dirs = await copies();
  const lost = dirs.find((dir) => dir.endsWith('1cycle-seed1'))!;
  rmSync(join(lost, 'result.json'));
  const { code, document } = await read(dirs);
  expect(code).toBe(0);
  const failed = document['arms'][1].failed;
  expect(failed).toEqual([
    { run: lost, seed: 1, reason: expect.stringMatching(/no result\.json after 1 of 1 epoch/u) },
  ]);
  expect(document['warnings'].join()).toMatch(
    /1cycle did not finish with 1 of 3 seeds.*1 run .* no partner/u,
  );
  expect(document['difference'].perSeed).toHaveLength(2);
});

test('a policy that diverged with some seeds: why, and exit 1 where fewer than two are left', async () => {
  const dirs = await copies();
  const message = 'The run diverged: the loss became NaN at step 1';
  const diverge = (name: string) => {
    const dir = dirs.find((path) => path.endsWith(name))!;
    change(join(dir, 'result.json'), (result) =>
      Object.assign(result, { status: 'failed', failure: { message } }),
    );
  };
  diverge('1cycle-seed0');
  expect((await read(dirs)).code).toBe(0);
  diverge('1cycle-seed2');
  const { code, document } = await read(dirs);
  expect(code).toBe(1);
  expect(document['status']).toBe('failed');
  expect(document['arms'][1].failed.map(({ reason }: { reason: string }) => reason)).toEqual([
    message,
    message,
  ]);
  const text = await runCli(['compare', ...dirs]);
  expect(text.code).toBe(1);
  expect(text.stdout).toContain('! 1cycle with seed 0');
  // Not the usual folder, where other runs may lie.
  expect(text.stderr).toMatch(new RegExp(` runs ${dirname(dirs[0]!)}$`, 'u'));
  const whole = await runCli(['compare', dirname(dirs[0]!)]);
  expect(whole.stderr).toMatch(new RegExp(` runs ${dirname(dirs[0]!)}$`, 'u'));
});

test('damaged folders are all named, each with what is missing', async () => {
  const dirs = await copies();
  rmSync(join(dirs[0]!, 'config.json'));
  writeFileSync(join(dirs[1]!, 'epochs.jsonl'), '');
  writeFileSync(join(dirs[2]!, 'result.json'), '{"status":');
  const { code, stdout, stderr } = await read(dirs);
  expect(code).toBe(2);
  const { error } = JSON.parse(stdout) as { error: { message: string } };
  expect(stderr).toBe(`onecycle: ${error.message}`);
  expect(stderr).toContain(`${dirs[0]} is not the folder of a run: it lacks config.json`);
  expect(stderr).toContain(
    `${dirs[1]} is damaged, for its files contradict each other: steps.jsonl holds 4 steps, and the 0 epochs of epochs.jsonl have 0`,
  );
  expect(stderr).toContain(`${join(dirs[2]!, 'result.json')} is damaged`);
});

test('runs of other classes are refused, runs judged on other images are not compared image by image', async () => {
  const scratch = await scratchFolder();
  const fewer = join(scratch, 'data');
  cpSync(join(home, 'data'), fewer, { recursive: true });
  rmSync(join(fewer, 'val', 'bees', '7.png'));
  const train = [
    'compare',
    '--data',
    fewer,
    '--out',
    join(scratch, 'runs'),
    '--policies',
    '1cycle',
    ...OPTIONS,
  ];
  expect((await runCli(train)).code).toBe(0);
  const others = runFolders(join(scratch, 'runs'));
  const dirs = [...(await copies('fixed-seed0', 'fixed-seed1', 'fixed-seed2')), ...others];
  const { code, document } = await read(dirs);
  expect(code).toBe(0);
  expect(document['warnings']).toEqual([
    'The runs were not judged on the same validation images: set A of 16 (fixed), set B of 15 (1cycle), so their accuracies do not compare.',
  ]);
  expect(document['difference'].overImages).toBeNull();
  expect(document['verdict'].claim).toBe('none');

  const rename = (set: Parsed) => {
    set['classes'] = ['cats', 'dogs'];
  };
  for (const dir of others) rewriteRun(dir, { dataset: rename });
  const refused = await read(dirs);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/different data sets: the classes are ants, bees and cats, dogs/u);
});

test('two different runs of one arm and seed leave open which one is meant', async () => {
  const dirs = await copies();
  const rival = join(await scratchFolder(), 'rival');
  cpSync(dirs[0]!, rival, { recursive: true });
  rewriteRun(rival, {
    config: (config) => {
      config['lr'] = 0.5;
    },
  });
  const { code, stderr } = await read([...dirs, rival]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/differ in lr: a comparison takes one run an arm and seed.*--arm NAME/su);
});

test('a range test among the folders is left out with a note', async () => {
  const dirs = await copies();
  const sweep = await scratchFolder();
  writeFileSync(join(sweep, 'config.json'), '{"command":"find-lr"}');
  const { code, document } = await read([sweep, ...dirs]);
  expect(code).toBe(0);
  expect(document['warnings']).toEqual([`${sweep} is a range test, not a training run: it is left out.`]);
});

test('runs of an older version are read, and what they do not say is told', async () => {
  const dirs = await copies();
  for (const dir of dirs.filter((path) => path.includes('fixed'))) {
    rewriteRun(dir, {
      config: (config) => {
        delete config['arm'];
        delete config['labelSmoothing'];
        delete config['splitSeed'];
      },
    });
  }
  const { code, document } = await read(dirs);
  expect(code).toBe(0);
  expect(document['arms'].map(({ policy }: { policy: string }) => policy)).toEqual(['fixed', '1cycle']);
  expect(document['warnings']).toEqual([
    'The runs differ in label smoothing: not recorded (fixed), 0.1 (1cycle).',
  ]);
});

test('--policies gives the order, and so the baseline', async () => {
  const { document } = await read([...(await copies()), '--policies', '1cycle,fixed']);
  expect(document['difference']).toMatchObject({ arm: 'fixed', baseline: '1cycle' });
});
