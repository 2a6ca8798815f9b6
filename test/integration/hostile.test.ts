import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, type TestContext } from 'vitest';
import { formatRate } from '../../src/report/text/numbers.js';
import { interrupt, interruptAfter, lines, outcome, runFolders, SMALL_RUN } from './interrupted-run.js';
import { ROOT, runCli, type CliResult } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

const RUN = '1cycle-seed0';
let root: string;
let reference: string;
const train = (out: string, ...more: string[]) => [
  ...['train', '--data', join(root, 'data'), '--out', out, '--quiet', ...SMALL_RUN],
  ...more,
];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-hostile-'));
  // mkdtemp makes it private; another user is to read the images.
  chmodSync(root, 0o755);
  await tinyImages(join(root, 'data'));
  reference = join(root, 'reference', RUN);
  const { code, stderr } = await runCli(train(join(root, 'reference')));
  expect(code, stderr).toBe(0);
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** One line that says what happened, and nothing that looks like a bug. */
function expectClear({ code, stdout, stderr }: CliResult, expected: number, message: string | RegExp): void {
  expect(code, stderr).toBe(expected);
  expect(stdout).toBe('');
  expect(stderr).toMatch(message);
  expect(stderr).not.toContain('This is a bug');
  expect(stderr).not.toMatch(/\n\s+at /);
}

describe('the disk', () => {
  it('runs full at any write: exit 1, and with more space the run goes on', async (context) => {
    const disk = smallDisk(context);
    const resize = (kilobytes: number) =>
      execFileSync('mount', ['-o', `remount,size=${kilobytes}k`, disk], { stdio: 'pipe' });
    // A checkpoint has 2 MB; the folder grows to four of them (last, previous, best, the next) and a model of 1.6 MB.
    const full: number[] = [];
    for (const kilobytes of [20, 2100, 4200, 6300, 8300]) {
      resize(kilobytes);
      const result = await runCli(train(disk));
      if (result.code === 0) expect(kilobytes).toBeGreaterThan(6300);
      else {
        expectClear(result, 1, /Could not write .*: no space is left on that device \(ENOSPC\)/);
        full.push(kilobytes);
      }
      const [dir] = runFolders(disk);
      if (dir !== undefined) {
        resize(64_000);
        if (result.code !== 0) {
          const resumed = await runCli(['train', '--resume', dir, '--quiet']);
          expect(resumed.code, resumed.stderr).toBe(0);
        }
        expect(outcome(dir)).toEqual(outcome(reference));
        rmSync(dir, { recursive: true });
      }
      // Nothing is left behind, hidden or not.
      expect(readdirSync(disk)).toEqual([]);
    }
    expect(full.length).toBeGreaterThanOrEqual(3);
  });

  it('may not be written: exit 2 before anything is trained', async (context) => {
    const out = join(root, 'read-only');
    mkdirSync(out);
    chmodSync(out, 0o555);
    const result = await asNobody(context, train(out));
    expectClear(
      result,
      2,
      /Could not write .*permission was denied \(EACCES\). Give a folder that you may write/,
    );
    expect(readdirSync(out)).toEqual([]);
  });

  it.runIf(process.platform === 'linux').each(['/proc/x', '/dev/null/x', '/sys/x'])(
    'has a file system that takes no folders at %s: exit 2, whatever is to be written there',
    async (place) => {
      const bad = /^onecycle: Could not write \/\w+.*\)\. .* with --(out|report)\.$/;
      const data = ['--data', join(root, 'data')];
      expectClear(await runCli(train(place)), 2, bad);
      expectClear(await runCli(['find-lr', ...data, '--out', place, '--quiet']), 2, bad);
      expectClear(await runCli(['compare', ...data, '--out', place, '--quiet']), 2, bad);
      const unreported = join(root, 'unreported');
      const report = ['--out', unreported, '--report', place, '--quiet'];
      expectClear(await runCli(['compare', ...data, ...report]), 2, bad);
      expect(existsSync(unreported)).toBe(false);
    },
  );

  it('loses the folder in the middle of the run: exit 1', async () => {
    const out = join(root, 'removed');
    const dir = join(out, RUN);
    let removed = false;
    const result = await interrupt(
      train(out, '--epochs', '50'),
      () => {
        if (!removed && lines(join(dir, 'steps.jsonl')).length >= 3) {
          // At once: a folder in which the run goes on making files cannot be emptied.
          renameSync(dir, join(root, 'elsewhere'));
          rmSync(join(root, 'elsewhere'), { recursive: true, force: true });
          removed = true;
        }
        return false;
      },
      'SIGKILL',
    );
    expectClear(result, 1, /Could not write .*(removed|is not there)/);
  });

  it('is asked for one folder by two processes: the second is refused, the first goes on', async () => {
    const out = join(root, 'rivals');
    const dir = join(out, RUN);
    let second: Promise<CliResult> | undefined;
    let done = false;
    const first = await interrupt(train(out, '--epochs', '40'), () => {
      if (second === undefined && lines(join(dir, 'steps.jsonl')).length >= 2) {
        second = runCli(['train', '--resume', dir]).finally(() => (done = true));
      }
      return done;
    });
    expectClear(await second!, 2, new RegExp(`${dir} is in use by process \\d+ on .* Wait until it ends`));
    expect(first.code).toBe(130);
    expect((await runCli(['train', '--resume', dir, '--quiet'])).code).toBe(0);
  });
});

describe('divergence', () => {
  it('ends the run: status failed, where and at what rate, the last good checkpoint kept, exit 1', async () => {
    const out = join(root, 'diverged');
    const { code, stdout, stderr } = await runCli(train(out, '--lr', '1e6', '--json'));
    expect(code).toBe(1);
    const document = JSON.parse(stdout) as {
      status: string;
      failure: { step: number; epoch: number; learningRate: number; momentum: number };
    };
    expect(document.status).toBe('failed');
    const { failure } = document;
    expect(stderr).toContain(
      `The run diverged: the loss became NaN at step ${failure.step} (epoch ${failure.epoch}), at a rate of ${formatRate(failure.learningRate)} and a momentum of ${formatRate(failure.momentum)}. Lower --lr`,
    );
    const dir = join(out, RUN);
    // The lines before it are all there, and what is kept is from before it.
    expect(lines(join(dir, 'steps.jsonl'))).toHaveLength(failure.step);
    expect(readFileSync(join(dir, 'checkpoints', 'last.ckpt')).length).toBeGreaterThan(1e6);
    expectClear(await runCli(['train', '--resume', dir]), 2, /diverged, and would do so again/);
  });

  it('in some seeds lets compare go on and report it', async () => {
    // At this rate and with these bits seed 0 overflows and seeds 1 and 2 do not.
    const env = { ONECYCLE_ARITHMETIC: 'separate' };
    const out = join(root, 'some-seeds');
    const options = ['--lr', 'fixed=1e-3,1cycle=1e4', '--seeds', '3', '--quiet', '--json'];
    const args = ['compare', '--data', join(root, 'data'), '--out', out, ...SMALL_RUN, ...options];
    const { code, stdout, stderr } = await runCli(args, { env });
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'completed',
      arms: [
        { policy: 'fixed', runs: { length: 3 }, failed: [] },
        {
          policy: '1cycle',
          runs: { length: 2 },
          failed: [{ seed: 0, reason: expect.stringContaining('The run diverged') as string }],
        },
      ],
    });
  });
});

describe('configurations from strangers', () => {
  it.each([
    ['an unknown key', '{"momentunm": 0.9}', /Unknown key "momentunm" in .* Did you mean "momentum"\?/],
    ['a mistyped value', '{"epochs": "3"}', /Expected a whole number .* for "epochs" in .* but received "3"/],
    ['a prototype', '{"__proto__": {"epochs": 1}}', /The key "__proto__" in .* is not allowed/],
    ['a nested prototype', '{"lr": {"constructor": 1}}', /The key "constructor" in .* is not allowed/],
    ['no JSON', '{"epochs": 3', /is not valid JSON/],
  ])('with %s are refused', async (name, text, message) => {
    const path = join(root, `${name.replaceAll(' ', '-')}.json`);
    writeFileSync(path, text);
    expectClear(await runCli(train(join(root, 'none'), '--config', path)), 2, message);
    expect(existsSync(join(root, 'none'))).toBe(false);
  });
});

describe('weights from strangers', () => {
  interface ModelJson {
    readonly weightsManifest: { paths: string[]; weights: { name: string; shape: number[] }[] }[];
  }
  /** A copy of a good model with something done to it. */
  const altered = (name: string, change: (model: ModelJson, dir: string) => void): string => {
    const dir = join(root, `model-${name.replaceAll(' ', '-')}`);
    cpSync(join(reference, 'model'), dir, { recursive: true });
    const path = join(dir, 'model.json');
    const model = JSON.parse(readFileSync(path, 'utf8')) as ModelJson;
    change(model, dir);
    writeFileSync(path, JSON.stringify(model));
    return dir;
  };

  it.each<[string, (model: ModelJson, dir: string) => void, RegExp]>([
    [
      'a path outside their folder',
      ({ weightsManifest: [group] }) => void (group!.paths = ['../reference/1cycle-seed0/model/weights.bin']),
      /outside|leads out|not a plain|folder/,
    ],
    [
      'shapes that disagree with the bytes',
      ({ weightsManifest: [group] }) => void (group!.weights[0]!.shape[0]! += 1),
      /bytes|shape/,
    ],
    [
      'fewer bytes than declared',
      (_, dir) => writeFileSync(join(dir, 'weights.bin'), Buffer.alloc(1000)),
      /bytes/,
    ],
    [
      'weights that are no numbers',
      (_, dir) => {
        const path = join(dir, 'weights.bin');
        const bytes = readFileSync(path);
        bytes.writeFloatLE(NaN, 400);
        writeFileSync(path, bytes);
      },
      /NaN|finite|no number/,
    ],
  ])('with %s are refused', async (name, change, message) => {
    const dir = altered(name, change);
    const result = await runCli(train(join(root, 'none'), '--weights', dir));
    expectClear(result, 2, message);
  });

  it('are taken where nothing is wrong with them', async () => {
    const dir = altered('nothing', () => undefined);
    const { code, stderr } = await runCli(train(join(root, 'good'), '--weights', dir, '--epochs', '1'));
    expect(code, stderr).toBe(0);
  });
});

it('a run interrupted on a full disk keeps what it had', async (context) => {
  const disk = smallDisk(context);
  execFileSync('mount', ['-o', 'remount,size=64000k', disk], { stdio: 'pipe' });
  const dir = join(disk, RUN);
  expect((await interruptAfter(train(disk), dir, 8)).code).toBe(130);
  const before = lines(join(dir, 'steps.jsonl'));
  // Filled up by something else.
  const free = Number(execFileSync('df', ['--output=avail', '-k', disk]).toString().split('\n')[1]);
  writeFileSync(join(disk, '.other'), Buffer.alloc((free - 50) * 1024));
  const full = await runCli(['train', '--resume', dir]);
  expectClear(full, 1, /no space is left on that device/);
  rmSync(join(disk, '.other'));
  expect(lines(join(dir, 'steps.jsonl')).slice(0, before.length)).toEqual(before);
  expect((await runCli(['train', '--resume', dir, '--quiet'])).code).toBe(0);
  expect(outcome(dir)).toEqual(outcome(reference));
});

/** A file system of its own whose size can be changed, or a skipped test where none can be had. */
function smallDisk(context: TestContext): string {
  if (process.getuid?.() !== 0 || process.platform !== 'linux')
    return context.skip('mounting a small disk needs root on Linux');
  const dir = join(root, `disk-${Math.random().toString(36).slice(2)}`);
  mkdirSync(dir);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir], { stdio: 'pipe' });
  } catch (error) {
    return context.skip(`mount is not allowed here: ${String(error)}`);
  }
  onTestFinished(() => void execFileSync('umount', ['-l', dir]));
  return dir;
}

/** Runs the program as a user who may write nowhere; root would be let through everywhere. */
async function asNobody(context: TestContext, args: readonly string[]): Promise<CliResult> {
  if (process.getuid?.() !== 0) return runCli(args);
  if (!existsSync('/usr/bin/setpriv'))
    return context.skip('setpriv is missing, and root may write everywhere');
  const user = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  const command = [...user, process.execPath, join(ROOT, 'bin', 'onecycle.js'), ...args];
  const { exitCode, stdout, stderr } = await execa('/usr/bin/setpriv', command, { reject: false });
  return { code: exitCode, stdout, stderr };
}
