import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { interrupt } from './interrupted-run.js';
import { ROOT, runCli } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

const BIN = join(ROOT, 'bin', 'onecycle.js');
const SMALL = '--image-size 32 --trainable head --batch-size 8 --views 1 --workers 1'.split(' ');
let root: string;
let data: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-output-'));
  data = join(root, 'data');
  await tinyImages(data);
});
afterAll(() => rm(root, { recursive: true, force: true }));

const at = (name: string) => join(root, name);
const train = (out: string) => ['train', '--data', data, '--out', out, '--epochs', '2', ...SMALL];
const findLr = (out: string) => [
  'find-lr',
  '--data',
  data,
  '--out',
  out,
  '--steps',
  '20',
  '--seeds',
  '1',
  ...SMALL,
];
const compare = (out: string, report: string) => [
  ...['compare', '--data', data, '--out', out, '--report', report, '--epochs', '2', '--seeds', '2', ...SMALL],
];

/** Runs the program with its stdout in this file. */
async function into(
  file: string,
  args: readonly string[],
  command: readonly string[] = [process.execPath, BIN],
) {
  const words = ['-c', 'file="$1"; shift; exec "$@" > "$file"', 'sh', file, ...command, ...args];
  const { exitCode, stderr } = await execa('sh', words, {
    reject: false,
    stdin: 'ignore',
    env: { NO_COLOR: '1' },
  });
  return { code: exitCode, stderr };
}

const FULL =
  /^onecycle: Could not write to stdout: no space is left on that device \(ENOSPC\)\. Files that the command wrote are whole/m;

describe.runIf(existsSync('/dev/full'))('output that cannot be written', () => {
  test.each<[string, () => readonly string[], readonly string[]]>([
    ['train', () => train(at('full-train')), ['full-train/1cycle-seed0/result.json']],
    ['train --json', () => [...train(at('full-json')), '--json'], ['full-json/1cycle-seed0/result.json']],
    [
      'find-lr',
      () => findLr(at('full-find')),
      ['result.json', 'suggestion.json', 'curve.png'].map((name) => `full-find/find-lr-seed0/${name}`),
    ],
    [
      'compare',
      () => compare(at('full-compare'), at('full-report')),
      ['full-report/report.html', 'full-report/difference.png'],
    ],
    ['train --dry-run', () => [...train(at('full-dry')), '--dry-run'], []],
    ['help', () => ['help', 'speed'], []],
    ['--help', () => ['train', '--help'], []],
    ['--version', () => ['--version'], []],
  ])('%s: exit 1 with a clear message, and every file is there', async (_, args, files) => {
    const { code, stderr } = await into('/dev/full', args());
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(FULL);
    expect(stderr.match(/Could not write/g)).toHaveLength(1);
    expect(stderr).not.toMatch(/^\s+at |This is a bug/m);
    for (const file of files) expect(existsSync(at(file)), file).toBe(true);
  });

  test('predict, in lines too, and its table is written first', async () => {
    expect((await runCli(train(at('classifier')))).code).toBe(0);
    const run = at('classifier/1cycle-seed0');
    for (const more of [[], ['--json'], ['--json', '--csv', at('full.csv')]]) {
      const { code, stderr } = await into('/dev/full', ['predict', run, data, ...more]);
      expect(code, stderr).toBe(1);
      expect(stderr).toMatch(FULL);
      expect(stderr).not.toMatch(/^\s+at |This is a bug|unsettled/m);
    }
    expect(readFileSync(at('full.csv'), 'utf8').split('\n').length).toBeGreaterThan(36);
  });

  test('what went wrong keeps its own exit code', async () => {
    expect((await into('/dev/full', ['train', '--lr', '0'])).code).toBe(2);
  });

  test('a reader that has gone ends the program without a word, its files written', async () => {
    const args = compare(at('piped'), at('piped-report'));
    const words = ['-c', '"$@" | true', 'sh', process.execPath, BIN, ...args, '--quiet'];
    const { stderr } = await execa('sh', words, { reject: false, env: { NO_COLOR: '1' } });
    expect(stderr).not.toMatch(/Could not|^\s+at /m);
    expect(existsSync(at('piped-report/report.html'))).toBe(true);
  });
});

describe('a picture or page that cannot be written', () => {
  test('leaves find-lr its answer', async () => {
    const dir = at('no-picture/find-lr-seed0');
    const args = [...findLr(at('no-picture')), '--steps', '60', '--json', '--quiet'];
    const result = await interrupt(args, () => {
      // A folder in its place, as soon as there is a record.
      if (existsSync(dir) && !existsSync(join(dir, 'curve.svg')))
        mkdirSync(join(dir, 'curve.svg', 'x'), { recursive: true });
      return false;
    });
    expect(result.code, result.stderr).toBe(0);
    expect(result.stderr).toMatch(
      /^The curve could not be drawn in .*no-picture\/find-lr-seed0: Could not write .*curve\.svg/m,
    );
    const { curves, recommended } = JSON.parse(result.stdout) as { curves: unknown[]; recommended: unknown };
    expect(curves).toHaveLength(1);
    expect(JSON.parse(readFileSync(join(dir, 'result.json'), 'utf8'))).toMatchObject({
      status: 'completed',
      recommended,
    });
  });

  test('leaves compare its answer on the screen, and exits 1', async () => {
    mkdirSync(at('half-report/accuracy.svg/x'), { recursive: true });
    const result = await runCli([...compare(at('half'), at('half-report')), '--json', '--quiet']);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^onecycle: Could not write .*half-report\/accuracy\.svg/m);
    expect(JSON.parse(result.stdout)).toMatchObject({ command: 'compare', status: 'completed' });
  });

  test('is found before anything is trained where the page itself cannot be', async () => {
    mkdirSync(at('blocked/report.html'), { recursive: true });
    const result = await runCli(compare(at('blocked-out'), at('blocked')));
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(
      'blocked/report.html: it is a folder. Remove it, or give --report another one.',
    );
    expect(existsSync(at('blocked-out'))).toBe(false);
  });
});

describe('names that steer a terminal', () => {
  const STEERING = 'evil\u001b]0;owned\u0007\u009b2J';
  const RAW = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/u;

  test('of classes and files reach neither stream', async () => {
    const dir = at('steering');
    await tinyImages(dir, { classes: ['ants', STEERING] });
    writeFileSync(join(dir, 'train', 'ants', `${STEERING}\nonecycle: forged.png`), 'no picture');
    symlinkSync('/nowhere\u001b[2J', join(dir, 'train', 'ants', 'link\u202egnp.png'));
    for (const more of [[], ['--json'], ['--strict']]) {
      const args = [...train(at(`steered${more.join('')}`)), '--data', dir, ...more];
      const { code, stdout, stderr } = await runCli(args);
      expect(code, stderr).toBe(more.includes('--strict') ? 2 : 0);
      expect(stdout + stderr).not.toMatch(RAW);
      expect(stderr).toContain('evil?]0;owned??2J');
      if (!more.includes('--strict')) expect(stderr).not.toMatch(/^onecycle: forged/m);
      if (more.includes('--json')) {
        expect((JSON.parse(stdout) as { dataset: { classes: string[] } }).dataset.classes[1]).toBe(STEERING);
      }
    }
  });

  test('of options, locks and records neither', async () => {
    const out = at('locked');
    expect((await runCli(train(out))).code).toBe(0);
    const dir = join(out, STEERING.replace('/', ''));
    renameSync(join(out, '1cycle-seed0'), dir);
    const lock = { pid: 1, host: `${hostname()}\u001b[31m`, since: '\u001b[5m', identity: null };
    writeFileSync(join(dir, '.lock'), JSON.stringify(lock));
    const config = at('steering.json');
    writeFileSync(config, JSON.stringify({ [STEERING]: 1 }));
    for (const args of [
      ['train', '--resume', dir],
      ['compare', dir, dir],
      ['compare', `${dir}x`],
      ['train', '--data', `/nowhere${STEERING}`],
      ['train', '--config', config],
      ['train', `--${STEERING}`],
      [STEERING],
    ]) {
      const { code, stdout, stderr } = await runCli(args);
      expect(code, stderr).toBe(2);
      expect(stdout + stderr).not.toMatch(RAW);
    }
  });
});

describe('names that no arm can have', () => {
  test.each([
    ['__proto__', /"__proto__": it has a meaning of its own/],
    ['x'.repeat(1_000), /1000 characters, of which 200 are allowed/],
    ['a\u001bb', /Expected a text without control characters for --arm/],
  ])('%j', async (name, message) => {
    const { code, stderr } = await runCli([...train(at('no-arm')), '--arm', name]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(existsSync(at('no-arm'))).toBe(false);
  });

  test('but "constructor" is a name like every other, with a rate of its own', async () => {
    const out = at('constructor');
    const args = [...train(out), '--arm', 'constructor', '--lr', '1cycle=1e-3,constructor=2e-3', '--json'];
    const { code, stdout, stderr } = await runCli(args);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ config: { arm: 'constructor', lr: 2e-3 } });
    const built = await runCli([...train(out), '--arm', 'toString', '--lr', '1cycle=1e-3', '--json']);
    expect(JSON.parse(built.stdout)).toMatchObject({ config: { arm: 'toString', lr: 1e-3 } });
    const dirs = readdirSync(out).map((name) => join(out, name));
    const compared = await runCli(['compare', ...dirs, '--report', at('constructor-page')]);
    expect(compared.stderr).not.toMatch(/^\s+at /m);
    expect(readFileSync(at('constructor-page/report.html'), 'utf8')).toContain('constructor');
  });
});

test.each([5e-324, 1e-300, 1e-45])('a rate of %d is trained, recorded and drawn', async (lr) => {
  const { code, stdout, stderr } = await runCli([...train(at('tiny-rate')), '--lr', String(lr)]);
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('learning rate');
});

test('a configuration with a NUL in a path, or lists 20,000 deep, is refused', async () => {
  const config = at('strange.json');
  for (const [text, message] of [
    [
      '{"data": "a\\u0000b"}',
      /Expected a path \(a text without NUL characters\) for "data" in .*strange\.json but received "a\\u0000b"/,
    ],
    ['{"lr": "from:a\\u0000b"}', /Expected a rate above 0.* for "lr"/],
    ['{"policies": ["fixed", "a\\u0000.json"]}', /Expected a list of names for "policies"/],
    [`{"lr": ${'['.repeat(20_000)}${']'.repeat(20_000)}}`, /is not valid JSON: .*nested more than 100 deep/],
  ] as const) {
    writeFileSync(config, text);
    for (const command of ['train', 'compare']) {
      const { code, stderr } = await runCli([command, '--config', config, '--out', at('never')]);
      expect(code, stderr).toBe(2);
      if (command === 'compare' || !text.includes('policies')) expect(stderr).toMatch(message);
    }
  }
});

describe.runIf(process.platform === 'linux')('limits of the process', () => {
  const limited = (limit: string, args: readonly string[]) =>
    into(at('limited.txt'), args, ['sh', '-c', `ulimit ${limit}; exec "$0" "$@"`, process.execPath, BIN]);

  test.each([26, 64, 100, 255])('%i open files are too few: the limit and what is needed', async (files) => {
    const { code, stderr } = await limited(`-n ${files}`, train(at('few-files')));
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(
      new RegExp(`This process may have ${files} files open at a time, and needs 256.*"ulimit -n 1024"`),
    );
    expect(stderr).not.toContain('This is a bug');
  });

  test('256 are enough', async () => {
    const { code, stderr } = await limited('-n 256', train(at('some-files')));
    expect(code, stderr).toBe(0);
  });

  test('too little address space: the limit and what is needed', async () => {
    const { code, stderr } = await limited('-v 8388608', train(at('little-space')));
    expect(code, stderr).toBe(1);
    expect(stderr).toMatch(/It may use 8\.0 GiB of addresses \(ulimit -v\)/);
    expect(stderr).not.toContain('This is a bug');
  });
});
