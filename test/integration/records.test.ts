import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { interruptAfter, lines, outcome, SMALL_RUN } from './interrupted-run.js';
import { type CliOptions, type CliResult, runCli } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

let home: string;
/** fixed and 1cycle with seeds 0 and 1. */
let recorded: string;
/** A run of 4 epochs of 6 steps that was interrupted, and the same one that was not. */
let interrupted: string;
let whole: string;
const HEAD = '--image-size 32 --trainable head --views 1 --batch-size 4 --epochs 1 --seeds 2'.split(' ');
const RUN = '1cycle-seed0';
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'onecycle-records-'));
  const data = join(home, 'data');
  await tinyImages(data);
  recorded = join(home, 'recorded');
  const compared = await runCli(['compare', '--data', data, '--out', recorded, ...HEAD]);
  expect(compared.code, compared.stderr).toBe(0);
  whole = join(home, 'whole', RUN);
  expect((await runCli(trainInto('whole'))).code).toBe(0);
  interrupted = join(home, 'interrupted', RUN);
  expect((await interruptAfter(trainInto('interrupted'), interrupted, 8)).code).toBe(130);
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const trainInto = (out: string, ...more: string[]) => [
  ...['train', '--data', join(home, 'data'), '--out', join(home, out), '--quiet', ...SMALL_RUN],
  ...more,
];

let copies = 0;
/** A folder with copies of these runs. */
function copyOf(...dirs: readonly string[]): string {
  const out = join(home, `copy-${++copies}`);
  for (const dir of dirs) cpSync(dir, join(out, dir.slice(dir.lastIndexOf('/') + 1)), { recursive: true });
  return out;
}
const all = () => copyOf(...readdirSync(recorded).map((name) => join(recorded, name)));
const cli = (args: readonly string[], options: CliOptions = {}) => runCli(args, { cwd: home, ...options });

function expectRefused({ code, stdout, stderr }: CliResult, message: RegExp): void {
  expect([code, stdout], stderr).toEqual([2, '']);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/\n\s+at |This is a bug/);
}

describe('files of a run that contradict each other', () => {
  test('are named by compare, for all runs at once', async () => {
    const out = all();
    writeFileSync(join(out, 'fixed-seed0', 'steps.jsonl'), '');
    const epochs = join(out, '1cycle-seed1', 'epochs.jsonl');
    writeFileSync(
      epochs,
      readFileSync(epochs, 'utf8').replace(/"validAccuracy":[\d.]+/, '"validAccuracy":1e300'),
    );
    const result = await cli(['compare', out]);
    expectRefused(result, /^onecycle: 2 of the 4 folders cannot be compared:\n/);
    expect(result.stderr).toMatch(
      /fixed-seed0 is damaged, .* steps\.jsonl holds 0 steps, and the 1 epoch of epochs\.jsonl has 6/,
    );
    expect(result.stderr).toMatch(
      /1cycle-seed1\/epochs\.jsonl, line 1, is damaged: expected epoch 1 .* received \{.*1e\+300/,
    );
  });

  test.each<[string, string, (text: string) => string, RegExp]>([
    [
      'another rate',
      'config.json',
      (text) => text.replace('"lr": 0.0005', '"lr": 0.05'),
      /config\.json says lr 0\.05, result\.json 0\.0005/,
    ],
    [
      'another batch size',
      'config.json',
      (text) => text.replace('"batchSize": 4', '"batchSize": 8'),
      /config\.json says batchSize 8, result\.json 4/,
    ],
    [
      'other lines',
      'steps.jsonl',
      (text) => text.replace(/"loss":\d/, '"loss":7'),
      /steps\.jsonl does not begin with the \d+ bytes that the run's checkpoint counts on/,
    ],
  ])('end a resume before it begins: %s', async (_, name, change, message) => {
    const dir = join(copyOf(interrupted), RUN);
    const path = join(dir, name);
    const text = readFileSync(path, 'utf8');
    expect(change(text)).not.toBe(text);
    writeFileSync(path, change(text));
    const before = lines(join(dir, 'steps.jsonl'));
    expectRefused(await cli(['train', '--resume', dir]), message);
    expect(lines(join(dir, 'steps.jsonl'))).toEqual(before);
  });

  test('end it also where the run was killed, so that no result says otherwise', async () => {
    const dir = join(copyOf(interrupted), RUN);
    rmSync(join(dir, 'result.json'));
    const path = join(dir, 'config.json');
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace('"seed": 0', '"seed": 1').replace('"views": 2', '"views": 3'),
    );
    expectRefused(
      await cli(['train', '--resume', dir]),
      /1cycle-seed0 is damaged, .*config\.json says seed 1, the checkpoint 0; config\.json says views 3, the checkpoint 2\. Put the originals back/,
    );
  });
});

describe.runIf(process.platform === 'linux')('a pipe, a device or an endless file', () => {
  const FILES = [
    ...['config.json', 'environment.json', 'dataset.json', 'steps.jsonl', 'epochs.jsonl'],
    ...['predictions.jsonl', 'result.json', 'events.jsonl'],
  ];
  const pipe = (path: string) => {
    rmSync(path, { force: true });
    execFileSync('mkfifo', [path]);
  };

  test.each(FILES)('in place of %s of a run is refused by compare and --resume', async (name) => {
    const out = copyOf(join(recorded, 'fixed-seed0'), interrupted);
    for (const run of ['fixed-seed0', RUN]) pipe(join(out, run, name));
    const message = new RegExp(`Could not read \\S*${name}: it is a pipe, not a file`);
    expectRefused(await cli(['compare', join(out, 'fixed-seed0')]), message);
    expectRefused(await cli(['train', '--resume', join(out, RUN)]), message);
  });

  test('in place of a checkpoint or a lock is refused', async () => {
    const dir = join(copyOf(interrupted), RUN);
    for (const name of ['last', 'previous']) pipe(join(dir, 'checkpoints', `${name}.ckpt`));
    expectRefused(await cli(['train', '--resume', dir]), /last\.ckpt: it is a pipe, not a file/);
    const locked = join(copyOf(interrupted), RUN);
    pipe(join(locked, '.lock'));
    expectRefused(await cli(['train', '--resume', locked]), /is locked, and the lock does not say by whom/);
  });

  test('in place of --config, or of what --lr from: reads, is refused', async () => {
    const path = join(home, 'pipe.json');
    pipe(path);
    expectRefused(
      await cli(['train', '--config', path]),
      /Cannot read the config file \S+ \(it is a pipe, not a file\)/,
    );
    const endless = join(home, 'endless.json');
    symlinkSync('/dev/zero', endless);
    expectRefused(await cli(['train', '--config', endless]), /\(it is a device, not a file\)/);
    const large = join(home, 'large.json');
    writeFileSync(large, '{}');
    truncateSync(large, 1e12);
    expectRefused(
      await cli(['train', '--config', large]),
      /1000000000000 bytes, and at most 1000000 are read/,
    );
    const test = join(home, 'test');
    mkdirSync(test);
    pipe(join(test, 'suggestion.json'));
    expectRefused(await cli(trainInto('none', '--lr', `from:${test}`)), /suggestion\.json: it is a pipe/);
  });

  test('in a run beside them does not hold up the others', async () => {
    const out = all();
    for (const name of FILES) {
      cpSync(join(out, 'fixed-seed0'), join(out, `a-${name}`), { recursive: true });
      pipe(join(out, `a-${name}`, name));
    }
    const { code, stderr } = await cli(['compare', '--data', join(home, 'data'), '--out', out, ...HEAD]);
    expect(code, stderr).toBe(0);
    expect(stderr.match(/-seed\d is taken from /g)).toHaveLength(4);
    expect(stderr).toMatch(
      /a-steps\.jsonl is passed over: Could not read .*steps\.jsonl: it is a pipe, not a file/,
    );
  });
});

describe('the report of runs from elsewhere', () => {
  test('shows no image of this machine but those that the runs were judged on', async () => {
    // One arm learns next to nothing, so that there are images on which they differ.
    const out = join(home, 'disputed');
    const train = ['compare', '--data', 'data', '--out', out, ...HEAD, '--lr', 'fixed=1e-9,1cycle=0.03'];
    expect((await cli(train)).code).toBe(0);
    const embedded = async (report: string) => {
      const { code, stderr } = await cli(['compare', out, '--report', report]);
      expect(code, stderr).toBe(0);
      const page = readFileSync(join(home, report, 'report.html'), 'utf8');
      return {
        pictures: page.match(/<img src="data:image/g)?.length ?? 0,
        missing: page.match(/not found here/g)?.length ?? 0,
      };
    };
    const own = await embedded('own');
    expect(own.missing).toBe(0);
    // Other pictures under the same names, as a stranger's configuration may find them in a folder of the reader's.
    renameSync(join(home, 'data'), join(home, 'data-away'));
    try {
      await tinyImages(join(home, 'data'), { classes: ['bees', 'ants'] });
      const foreign = await embedded('foreign');
      expect(foreign).toEqual({ pictures: 0, missing: own.pictures });
      expect(own.pictures).toBeGreaterThan(0);
    } finally {
      rmSync(join(home, 'data'), { recursive: true });
      renameSync(join(home, 'data-away'), join(home, 'data'));
    }
  });
});

describe('seeds that cannot be told apart', () => {
  const data = () => ['--data', join(home, 'data'), '--out', join(home, 'none')];
  test.each<[string, () => string[], RegExp]>([
    [
      '--seed',
      () => ['train', ...data(), '--seed', '9007199254740993'],
      /from 0 to 9007199254740991 for --seed but received 9007199254740993/,
    ],
    [
      '--pair',
      () => ['train', ...data(), '--pair', '9007199254740993'],
      /from 0 to 9007199254740991 for --pair/,
    ],
    [
      'a config file',
      () => {
        writeFileSync(join(home, 'seed.json'), '{"seed": 9007199254740993}');
        return ['train', ...data(), '--config', 'seed.json'];
      },
      /from 0 to 9007199254740991 for "seed" in seed\.json/,
    ],
    [
      '--seeds of compare',
      () => ['compare', ...data(), '--seed', '9007199254740990', '--seeds', '3'],
      /the last of --seeds 3 from --seed 9007199254740990 is larger/,
    ],
    [
      '--seeds of find-lr',
      () => ['find-lr', ...data(), '--seed', '9007199254740990', '--seeds', '3'],
      /the last of --seeds 3 from --seed 9007199254740990 is larger/,
    ],
    [
      '--policies',
      () => ['compare', ...data(), '--policies', '1cycle,1cycle@9007199254740993'],
      /shift of the seeds from 0 to 9007199254740991/,
    ],
  ])('are refused: %s', async (_, args, message) => {
    expectRefused(await cli(args()), message);
  });
});

describe('the same line again', () => {
  test('goes on with the interrupted run, then takes it, and trains anew with --again', async () => {
    const out = copyOf(interrupted);
    const dir = join(out, RUN);
    const line = ['train', '--data', 'data', '--out', out, ...SMALL_RUN];
    const first = await cli(line);
    expect(first.code, first.stderr).toBe(0);
    expect(first.stderr).toContain(`${RUN} was interrupted, and goes on in ${dir}. --again trains it anew.`);
    expect(outcome(dir)).toEqual(outcome(whole));
    const second = await cli([...line, '--json']);
    expect(second.code, second.stderr).toBe(0);
    expect(second.stderr).toContain(
      `${RUN} was trained already, and is taken from ${dir}. --again trains it anew.`,
    );
    expect(JSON.parse(second.stdout)).toEqual({
      ...(JSON.parse(readFileSync(join(dir, 'result.json'), 'utf8')) as object),
      run: dir,
    });
    expect(readdirSync(out)).toEqual([RUN]);
    expect((await cli(line)).stdout).toBe(first.stdout);
    expect((await cli([...line, '--again'])).code).toBe(0);
    expect(readdirSync(out)).toEqual([RUN, `${RUN}-2`]);
    expect(outcome(`${dir}-2`)).toEqual(outcome(whole));
  });

  test('says again that it diverged: exit 1', async () => {
    const line = trainInto('diverged', '--lr', '1e6');
    const [first, second] = [await runCli(line), await runCli(line)];
    expect([first.code, second.code]).toEqual([1, 1]);
    expect(second.stderr).toContain(first.stderr.trim());
    expect(readdirSync(join(home, 'diverged'))).toEqual([RUN]);
  });
});

test('compare takes a folder of runs, and a pattern that no shell has expanded', async () => {
  const args = ['compare', '--json'];
  const named = await cli([...args, ...readdirSync(recorded).map((name) => join('recorded', name))]);
  expect(named.code).toBe(0);
  const without = ({ stdout }: CliResult) => ({ ...(JSON.parse(stdout) as object), seconds: 0 });
  expect(without(await cli([...args, 'recorded']))).toEqual(without(named));
  expect(without(await cli([...args, 'recorded/*']))).toEqual(without(named));
  expectRefused(await cli(['compare', 'recorded/none*']), /No run folder matches recorded\/none\*/);
});

test.each([
  ['data', 'photos', 'No such data folder: '],
  ['weights', 'mine/model.json', '--weights "mine/model.json": there is no such name'],
  ['lr', 'from:runs/find-lr-seed0', 'there is no runs/find-lr-seed0/suggestion.json'],
])(
  'a relative %s in a config file that is not there: which folder it counts from',
  async (name, value, message) => {
    mkdirSync(join(home, 'configs'), { recursive: true });
    const file = join('configs', `${name}.json`);
    writeFileSync(join(home, file), JSON.stringify({ [name]: value }));
    const own = name === 'data' ? [] : ['--data', 'data', '--batch-size', '8'];
    const result = await cli(['train', '--config', file, '--out', 'none', ...own]);
    expectRefused(result, /^/);
    expect(result.stderr).toContain(message);
    expect(result.stderr).toMatch(
      new RegExp(
        `"${name}" in ${file} is a relative path: it counts from the working directory, .*, not from that file\\.`,
      ),
    );
    // A flag wins over the file, and is the user's own.
    const flag = name === 'lr' ? ['--lr', value] : [`--${name}`, value];
    const flagged = await cli(['train', '--config', file, '--out', 'none', ...own, ...flag]);
    expect(flagged.stderr).not.toContain('relative path');
  },
);
