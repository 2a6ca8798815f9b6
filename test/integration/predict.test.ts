import { execa } from 'execa';
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { interrupt, lines, SMALL_RUN } from './interrupted-run.js';
import { ROOT, runCli, scratchFolder, startCli } from './run-cli.js';
import { oddShapes, tinyImages } from './tiny-images.js';
import { type RecordedPrediction, recordedPredictions, trainSmall } from './small-run.js';

/** Two runs on their data: thumbnails that are seen as they are, and photographs that are shrunk and cropped. */
const SETS = { thumbnails: { side: 32 }, photographs: { side: 90 } } as const;
type SetName = keyof typeof SETS;

let root: string;
const data = (set: SetName) => join(root, set);
const runOf = (set: SetName) => join(root, `${set}-runs`, 'fixed-seed0');

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-predict-'));
  for (const [set, { side }] of Object.entries(SETS) as [SetName, { side: number }][]) {
    await tinyImages(data(set), { side });
    await oddShapes(data(set), { side });
    await trainSmall(data(set), join(root, `${set}-runs`));
  }
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface Line {
  readonly file: string;
  readonly predictions: readonly { readonly label: string; readonly probability: number }[];
}

const CLASSES = ['ants', 'bees'];
const jsonLines = (stdout: string) =>
  stdout === '' ? [] : stdout.split('\n').map((line) => JSON.parse(line) as Line);
const recorded = (set: SetName): RecordedPrediction[] => recordedPredictions(runOf(set));

describe.each(Object.keys(SETS) as SetName[])('%s', (set) => {
  test.each([
    ['best', []],
    ['final', ['--final']],
  ] as const)('the %s weights give the probabilities of predictions.jsonl', async (which, flags) => {
    const named = [join(data(set), 'val')];
    const { code, stdout, stderr } = await runCli(['predict', runOf(set), ...named, '--json', ...flags]);
    expect(code, stderr).toBe(0);
    const found = jsonLines(stdout);
    const expected = recorded(set);
    expect(found.map(({ file }) => file)).toEqual(expected.map(({ image }) => join(data(set), image)));
    found.forEach(({ predictions: [first] }, i) => {
      const { predicted, probability } = expected[i]![which];
      expect(first!.label).toBe(CLASSES[predicted]);
      expect(Math.abs(first!.probability - probability)).toBeLessThan(1e-6);
    });
  });
});

test.each(Object.keys(SETS) as SetName[])(
  '%s: best and final differ, or the tests above could not tell',
  (set) => {
    expect(recorded(set).every(({ best, final }) => best.probability !== final.probability)).toBe(true);
  },
);

test('every backend that is always there says the same', async () => {
  const args = ['predict', runOf('photographs'), join(data('photographs'), 'val'), '--json', '--quiet'];
  const [wasm, cpu, one] = await Promise.all(
    [['wasm'], ['cpu'], ['wasm', '--workers', '1']].map(([name, ...more]) =>
      runCli([...args, '--backend', name!, ...more]),
    ),
  );
  expect([wasm!.code, cpu!.code, one!.code]).toEqual([0, 0, 0]);
  expect(one!.stdout).toBe(wasm!.stdout);
  const probabilities = ({ stdout }: { stdout: string }) =>
    jsonLines(stdout).map(({ predictions }) => predictions[0]!.probability);
  const theirs = probabilities(cpu!);
  probabilities(wasm!).forEach((probability, i) => expect(probability).toBeCloseTo(theirs[i]!, 4));
});

test('--top K: that many classes, the most probable first; together they are certain', async () => {
  const image = join(data('thumbnails'), 'val', 'bees', '1.png');
  const { stdout } = await runCli(['predict', runOf('thumbnails'), image, '--top', '5', '--json', '--quiet']);
  const [{ file, predictions } = { file: '', predictions: [] }, ...others] = jsonLines(stdout);
  expect(others).toEqual([]);
  expect(file).toBe(image);
  expect(predictions.map(({ label }) => label).sort()).toEqual(CLASSES);
  expect(predictions[0]!.probability).toBeGreaterThanOrEqual(predictions[1]!.probability);
  expect(predictions[0]!.probability + predictions[1]!.probability).toBeCloseTo(1, 12);
});

describe('for people', () => {
  test('a table with the true classes, the accuracy and a confusion matrix', async () => {
    const { code, stdout } = await runCli(['predict', runOf('thumbnails'), 'thumbnails/val', '--quiet'], {
      cwd: root,
    });
    expect(code).toBe(0);
    const rows = stdout.split('\n');
    expect(rows[0]).toMatch(/^file +true class +predicted +probability$/);
    expect(rows[2]).toMatch(/^thumbnails\/val\/ants\/0\.png +ants +(ants|bees) +[01]\.\d{3}$/);
    const best = recorded('thumbnails').map(({ label, best: { predicted } }) => [label, predicted] as const);
    const count = (label: number, predicted: number) =>
      best.filter(([a, b]) => a === label && b === predicted).length;
    const correct = count(0, 0) + count(1, 1);
    expect(stdout).toContain(`accuracy ${(correct / 12).toFixed(3)} (${correct}/12), 95% interval [`);
    expect(stdout).toMatch(/true \\ predicted +ants +bees\n/);
    expect(stdout).toMatch(new RegExp(`\nants +${count(0, 0)} +${count(0, 1)}\n`));
    expect(stdout).toMatch(new RegExp(`\nbees +${count(1, 0)} +${count(1, 1)}$`));
    expect(stdout).not.toContain('trained on');
  });

  test('on a narrow terminal the end of a name is shown, in a file or a pipe all of it', async () => {
    const image = join(data('thumbnails'), 'val', 'ants', '1.png');
    const [narrow, piped] = await Promise.all(
      ['50', ''].map((COLUMNS) =>
        runCli(['predict', runOf('thumbnails'), image, '--quiet'], { env: { COLUMNS } }),
      ),
    );
    expect(narrow!.stdout.split('\n')[2]).toMatch(/^…\S*\/1\.png /);
    expect(piped!.stdout.split('\n')[2]!.startsWith(`${image} `)).toBe(true);
  });

  test('images of the training part are counted as such', async () => {
    const both = ['thumbnails/train', 'thumbnails/val/ants'];
    const { stdout } = await runCli(['predict', runOf('thumbnails'), ...both, '--quiet'], { cwd: root });
    expect(stdout.replaceAll('\n', ' ')).toContain(
      'The run was trained on 24 of these 30 images, byte for byte: the accuracy flatters.',
    );
  });

  test('of a single image there is no accuracy', async () => {
    const { stdout } = await runCli(
      ['predict', runOf('thumbnails'), 'thumbnails/val/ants/1.png', '--quiet'],
      {
        cwd: root,
      },
    );
    expect(stdout.split('\n')).toHaveLength(3);
  });

  test('folders that are called as none of the classes are told: it may be the wrong run', async () => {
    const cwd = await scratchFolder();
    for (const [from, to] of [
      ['ants', 'cats'],
      ['bees', 'dogs'],
    ] as const)
      cpSync(join(data('thumbnails'), 'val', from), join(cwd, 'pets', to), { recursive: true });
    const { code, stdout, stderr } = await runCli(['predict', runOf('thumbnails'), 'pets', '--quiet'], {
      cwd,
    });
    expect(code).toBe(0);
    expect(stderr).toMatch(/No folder of these images has the name of a class of .* \(ants, bees\)/u);
    expect(stdout).not.toContain('accuracy');
    const one = await runCli(['predict', runOf('thumbnails'), 'pets/cats', '--quiet'], { cwd });
    expect(one.stderr).toBe('');
  });

  test('outside of class folders there is no accuracy', async () => {
    const dir = await scratchFolder();
    cpSync(join(data('thumbnails'), 'val', 'ants', '1.png'), join(dir, 'mine.png'));
    const { stdout } = await runCli(['predict', runOf('thumbnails'), dir, '--quiet']);
    expect(stdout.split('\n')[0]).toMatch(/^file +predicted +probability$/);
    expect(stdout).not.toContain('accuracy');
    const mixed = [join(dir, 'mine.png'), 'thumbnails/val/ants/1.png'];
    const { stdout: some } = await runCli(['predict', runOf('thumbnails'), ...mixed, '--quiet'], {
      cwd: root,
    });
    expect(some).toMatch(/accuracy \S+ \(\d\/1\)/);
    expect(some.replaceAll('\n', ' ')).toContain(
      '1 of 2 images lie in no folder that is called as a class: they do not count.',
    );
  });

  test('with --json the accuracy is on stderr, and stdout holds lines alone', async () => {
    const { stdout, stderr } = await runCli(['predict', runOf('thumbnails'), 'thumbnails/val', '--json'], {
      cwd: root,
    });
    expect(jsonLines(stdout)).toHaveLength(12);
    for (const line of jsonLines(stdout)) expect(Object.keys(line)).toEqual(['file', 'predictions']);
    expect(stderr).toMatch(/accuracy \S+ \(\d+\/12\)/);
  });
});

test('--csv: one line a prediction, names quoted as RFC 4180 has it', async () => {
  const dir = await scratchFolder();
  const name = 'a "very", odd\nname.png';
  await mkdir(join(dir, 'bees'));
  cpSync(join(data('thumbnails'), 'val', 'bees', '1.png'), join(dir, 'bees', name));
  const csv = join(dir, 'table.csv');
  const args = ['predict', runOf('thumbnails'), 'bees', '--top', '2', '--csv', csv];
  const { code, stderr, stdout } = await runCli([...args, '--json', '--quiet'], { cwd: dir });
  expect(code, stderr).toBe(0);
  const [{ predictions } = { predictions: [] }] = jsonLines(stdout);
  const field = '"bees/a ""very"", odd\nname.png"';
  expect(readFileSync(csv, 'utf8')).toBe(
    `file,true_class,rank,label,probability\r\n${predictions
      .map(({ label, probability }, i) => `${field},bees,${i + 1},${label},${probability}\r\n`)
      .join('')}`,
  );
});

describe('names on standard input', () => {
  const one = 'thumbnails/val/ants/0.png';
  const folder = 'thumbnails/val/bees';
  const withInput = async (input: string, ...named: string[]) => {
    const { exitCode, stdout, stderr } = await execa(
      process.execPath,
      [join(ROOT, 'bin', 'onecycle.js'), 'predict', runOf('thumbnails'), ...named, '--json', '--quiet'],
      { cwd: root, input, reject: false },
    );
    return { code: exitCode, files: jsonLines(stdout).map(({ file }) => file), stderr };
  };
  const all = [
    one,
    ...['0.jpg', ...[1, 2, 3, 4, 5].map((i) => `${i}.png`)].map((name) => `${folder}/${name}`),
  ];

  test.each([
    ['lines', `${one}\n${folder}\n`],
    ['lines of another system, without an end', `${one}\r\n\r\n${folder}`],
    ['find -print0', `${one}\0${folder}\0`],
  ])('%s', async (_, input) => {
    expect(await withInput(input)).toEqual({ code: 0, files: all, stderr: '' });
  });

  test('- stands for them among other names', async () => {
    expect(await withInput(`${one}\n`, folder, '-')).toMatchObject({
      code: 0,
      files: [...all.slice(1), one],
    });
  });

  test('none are wrong usage', async () => {
    const { code, stderr } = await withInput('\n');
    expect([code, stderr]).toEqual([
      2,
      'onecycle: Standard input holds no names. Expected image files or folders, one a line.',
    ]);
  });
});

describe('files that cannot be used', () => {
  test('are named with a reason and skipped: exit 1, all others classified', async () => {
    const dir = await scratchFolder();
    cpSync(join(data('thumbnails'), 'val', 'ants', '1.png'), join(dir, 'a.png'));
    cpSync(join(data('thumbnails'), 'val', 'bees', '1.png'), join(dir, 'z.png'));
    const whole = await sharp(join(data('photographs'), 'val', 'ants', '1.png'))
      .jpeg()
      .toBuffer();
    writeFileSync(join(dir, 'cut.jpg'), whole.subarray(0, whole.length / 2));
    writeFileSync(join(dir, 'empty.png'), '');
    writeFileSync(join(dir, 'phone.heic'), 'x');
    writeFileSync(join(dir, 'notes.txt'), 'ignored, as in a data folder');
    symlinkSync('/etc/hostname', join(dir, 'out.png'));
    const { code, stdout, stderr } = await runCli(
      ['predict', runOf('thumbnails'), '.', 'gone.png', '--json', '--quiet'],
      { cwd: dir },
    );
    expect(code).toBe(1);
    expect(jsonLines(stdout).map(({ file }) => file)).toEqual(['./a.png', './z.png']);
    expect(stderr.split('\n').sort()).toEqual([
      expect.stringMatching(/^skipped \.\/cut\.jpg: damaged or cut short/),
      'skipped ./empty.png: the file is empty',
      expect.stringMatching(/^skipped \.\/out\.png: link out of the data folder/),
      'skipped ./phone.heic: HEIC cannot be decoded here: convert it to JPEG',
      'skipped gone.png: there is no such file or folder',
    ]);
  });

  test.each([
    ['as text', [], ''],
    [
      'as JSON',
      ['--json'],
      expect.stringContaining(
        '"2 of 2 images could not be classified: a.png (there is no such file or folder), and 1 more"',
      ),
    ],
  ])('where all are, that is said %s, and no next step', async (_, more, expected) => {
    const { code, stdout, stderr } = await runCli([
      'predict',
      runOf('thumbnails'),
      'a.png',
      'b.png',
      ...more,
    ]);
    expect([code, stdout]).toEqual([1, expected]);
    expect(stderr).not.toContain('Next');
  });

  test('a file that was named is read whatever its extension', async () => {
    const dir = await scratchFolder();
    cpSync(join(data('thumbnails'), 'val', 'ants', '1.png'), join(dir, 'upload'));
    const { code, stdout } = await runCli(['predict', runOf('thumbnails'), 'upload', '--json', '--quiet'], {
      cwd: dir,
    });
    expect([code, jsonLines(stdout)[0]?.file]).toEqual([0, 'upload']);
  });
});

describe('wrong usage: exit 2, nothing on stdout', () => {
  const rewriteResult = (run: string, changes: object) => {
    const path = join(run, 'result.json');
    writeFileSync(
      path,
      JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...changes }),
    );
  };
  const refused = async (args: readonly string[], message: RegExp) => {
    const { code, stdout, stderr } = await runCli(['predict', ...args], { cwd: root });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('bug in onecycle');
  };

  test.each([
    ['no run at all', [], /missing required argument 'run'/],
    [
      'a folder that is no run',
      ['thumbnails', 'thumbnails/val'],
      /thumbnails is not the folder of a run: it lacks/,
    ],
    ['a folder that is not there', ['nowhere', 'x.png'], /Expected a run's folder at nowhere/],
    [
      '--top 0',
      ['thumbnails-runs/fixed-seed0', 'x.png', '--top', '0'],
      /Expected a whole number from 1 .* for --top/,
    ],
    [
      '--csv that is a folder',
      ['thumbnails-runs/fixed-seed0', 'thumbnails/val', '--csv', 'thumbnails'],
      /Expected a file for --csv but thumbnails is a folder/,
    ],
    [
      '--csv in a folder that cannot be',
      ['thumbnails-runs/fixed-seed0', 'thumbnails/val', '--csv', 'thumbnails/val/bees/0.jpg/x.csv'],
      /Could not write .*0\.jpg: a part of that path is a file.* Give a folder with --csv\./,
    ],
  ])('%s', (_, args, message) => refused(args, message));

  test('a folder without images', async () => {
    await mkdir(join(root, 'nothing'), { recursive: true });
    await refused(
      ['thumbnails-runs/fixed-seed0', 'nothing'],
      /There are no images in nothing\. Name image files/,
    );
  });

  test('a run whose model is damaged', async () => {
    const run = join(await scratchFolder(), 'run');
    cpSync(runOf('thumbnails'), run, { recursive: true });
    const weights = join(run, 'model', 'weights.bin');
    const bytes = readFileSync(weights);
    // One bit: the network would still answer, otherwise.
    bytes[400_003]! ^= 0x40;
    writeFileSync(weights, bytes);
    for (const final of [[], ['--final']])
      await refused([run, 'thumbnails/val', ...final], /weights\.bin is not what the run wrote/);
    rewriteResult(run, { modelSha256: undefined });
    writeFileSync(weights, 'short');
    await refused(
      [run, 'thumbnails/val'],
      /weights\.bin: expected \d+ bytes by the shapes in the manifest, found 5/,
    );
  });

  test('a run that went on since its model was written', async () => {
    const run = join(await scratchFolder(), 'run');
    cpSync(runOf('thumbnails'), run, { recursive: true });
    rewriteResult(run, { best: { epoch: 99 } });
    await refused(
      [run, 'thumbnails/val'],
      /model of .* is that of epoch 99, and epoch \d+ is the best by now/,
    );
    await rm(join(run, 'result.json'));
    await refused([run, 'thumbnails/val'], /of an earlier part of the run.*onecycle train --resume/);
  });

  test('--final of a finished run without its last checkpoint', async () => {
    const run = join(await scratchFolder(), 'run');
    cpSync(runOf('thumbnails'), run, { recursive: true });
    await rm(join(run, 'checkpoints', 'last.ckpt'));
    await refused([run, 'thumbnails/val', '--final'], /the final weights are lost.*leave out --final/);
  });

  test.each([
    [{ status: 'completed' }, /holds no model: it is finished, and its folder model\/ is gone\. Put it back/],
    [{ status: 'failed' }, /holds no model: it failed before its first epoch was over\. Train it again/],
    [
      { status: 'interrupted' },
      /: it was interrupted before its first epoch was over\. .*onecycle train --resume/,
    ],
    [null, /: it is being trained now, or was killed; .*onecycle train --resume/],
  ])('a run that has no model: %j', async (result, message) => {
    const run = join(await scratchFolder(), 'run');
    cpSync(runOf('thumbnails'), run, { recursive: true });
    await rm(join(run, 'model'), { recursive: true });
    if (result === null) await rm(join(run, 'result.json'));
    else writeFileSync(join(run, 'result.json'), JSON.stringify({ schemaVersion: 1, ...result }));
    await refused([run, 'thumbnails/val'], message);
  });
});

test('only --final needs the checkpoints, and says so', async () => {
  const run = join(await scratchFolder(), 'run');
  cpSync(runOf('thumbnails'), run, { recursive: true });
  await rm(join(run, 'checkpoints'), { recursive: true });
  const args = ['predict', run, join(data('thumbnails'), 'val'), '--json', '--quiet'];
  expect((await runCli(args)).code).toBe(0);
  const { code, stderr } = await runCli([...args, '--final']);
  expect(code).toBe(2);
  expect(stderr).toContain('holds no checkpoint any more');
});

test('an interrupted run has the model of its best epoch so far', async () => {
  const out = await scratchFolder();
  const run = join(out, '1cycle-seed0');
  const args = [
    'train',
    '--data',
    data('thumbnails'),
    '--out',
    out,
    ...SMALL_RUN,
    '--epochs',
    '50',
    '--quiet',
  ];
  const stopped = await interrupt(args, () => lines(join(run, 'epochs.jsonl')).length >= 2);
  expect(stopped.code, stopped.stderr).toBe(130);
  const { code, stdout } = await runCli([
    'predict',
    run,
    join(data('thumbnails'), 'val'),
    '--json',
    '--quiet',
  ]);
  expect(code).toBe(0);
  const best = recordedPredictions(run);
  expect(best).toHaveLength(12);
  jsonLines(stdout).forEach(({ predictions: [first] }, i) => {
    expect(Math.abs(first!.probability - best[i]!.best.probability)).toBeLessThan(1e-6);
  });
});

test('a run of an older version, whose model/ says nothing of preprocessing, predicts all the same', async () => {
  const run = join(await scratchFolder(), 'run');
  cpSync(runOf('photographs'), run, { recursive: true });
  for (const name of ['preprocessing.json', 'index.html', 'tfjs']) {
    await rm(join(run, 'model', name), { recursive: true });
  }
  const val = join(data('photographs'), 'val');
  const [old, now] = await Promise.all(
    [run, runOf('photographs')].map((dir) => runCli(['predict', dir, val, '--json', '--quiet'])),
  );
  expect(old!.code, old!.stderr).toBe(0);
  expect(old!.stdout).toBe(now!.stdout);
});

test.each([
  ['nothing else to do', []],
  ['a table to write all the same', ['--csv', 'table.csv']],
])('a reader that closes the pipe ends the output, with nothing said: %s', async (_, more) => {
  const cwd = await scratchFolder();
  const program = [process.execPath, join(ROOT, 'bin', 'onecycle.js')];
  const args = ['predict', runOf('thumbnails'), data('thumbnails'), '--json', '--quiet', ...more];
  const { exitCode, stdout, stderr } = await execa(
    'bash',
    ['-c', 'set -o pipefail; "$@" | head -n 1', 'bash', ...program, ...args],
    { cwd, reject: false, stdin: 'ignore' },
  );
  expect([exitCode, stderr]).toEqual([0, '']);
  expect(jsonLines(stdout)).toHaveLength(1);
  if (more.length > 0) {
    expect(readFileSync(join(cwd, 'table.csv'), 'utf8').trimEnd().split('\r\n')).toHaveLength(1 + 36);
  }
});

test('Ctrl-C ends with the images under way: what was classified is told, exit 130', async () => {
  const dir = await scratchFolder();
  // 2 megapixels each: decoding 300 of them takes seconds.
  await tinyImages(dir, { classes: ['ants'], train: 1, valid: 1, side: 1400 });
  for (let i = 1; i < 300; i++) symlinkSync('0.png', join(dir, 'train', 'ants', `${i}.png`));
  const csv = join(dir, 'table.csv');
  const child = startCli(['predict', runOf('thumbnails'), join(dir, 'train'), '--json', '--csv', csv]);
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  while (!printed.includes('\n')) await sleep(5);
  child.kill('SIGINT');
  const { exitCode, stderr } = await child;
  expect(exitCode, String(stderr)).toBe(130);
  const classified = printed.trimEnd().split('\n').length;
  expect(classified).toBeLessThan(300);
  expect(stderr).toContain('SIGINT: finishing the images under way; once more to quit at once');
  expect(stderr).toContain(`Interrupted: ${classified} of 300 images were classified.`);
  expect(readFileSync(csv, 'utf8').trimEnd().split('\r\n')).toHaveLength(1 + classified);
});
