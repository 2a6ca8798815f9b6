import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, runCli } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

let root: string;
let data: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-bad-'));
  // Users without privileges must be able to look inside.
  chmodSync(root, 0o755);
  data = join(root, 'data');
  await tinyImages(data);
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A fresh copy of the data set, changed. */
function copyOfData(name: string, change: (dir: string) => void): string {
  const dir = join(root, name);
  cpSync(data, dir, { recursive: true });
  change(dir);
  return dir;
}

let outs = 0;
const SMALL = [
  '--image-size',
  '32',
  '--batch-size',
  '8',
  '--epochs',
  '2',
  '--trainable',
  'last:1',
  '--workers',
  '1',
];

/** Runs a command that must be refused: exit code 2, nothing on stdout, one message, nothing left. */
async function refusal(command: string, options: readonly string[]): Promise<string> {
  const out = join(root, `out-${outs++}`);
  const small = command === 'train' ? SMALL : SMALL.filter((word) => word !== '--epochs' && word !== '2');
  const { code, stdout, stderr } = await runCli([
    command,
    '--data',
    data,
    '--out',
    out,
    ...small,
    ...options,
  ]);
  expect(code, stderr).toBe(2);
  expect(stdout).toBe('');
  expect(existsSync(out) ? readdirSync(out) : []).toEqual([]);
  // A message for a user, not a stack for a developer.
  expect(stderr).not.toMatch(/^ +at |This is a bug/m);
  return stderr.replaceAll(root, 'ROOT');
}

describe('options that are refused', () => {
  test.concurrent.each<[string, string, RegExp]>([
    ['train', '--lr 0', /Expected a rate above 0, .* for --lr but received 0\./],
    ['train', '--lr -1', /Expected a rate above 0, .* for --lr but received -1\./],
    ['train', '--lr NaN', /Expected a rate above 0, .* for --lr but received "NaN"\./],
    ['train', '--lr fixd=1e-3', /--lr gives a rate to "fixd", which is no arm\. Expected 1cycle, fixed/],
    [
      'train',
      '--batch-size 25',
      /--batch-size is 25, more than the 24 training images in ROOT\/data\. Give .* 24 or less/,
    ],
    [
      'train',
      '--epoch 3',
      /unknown option '--epoch'\n\(Did you mean --epochs\?\)\n\(see onecycle train --help\)/,
    ],
    ['train', '--image-size 50', /divisible by 32 for --image-size but received 50\. Try 64\./],
    ['train', '--trainable last:99', /"last:99": expected all, head, or last:N with N from 1 to 17/],
    ['train', '--trainable last:0', /Expected all, head or last:N .* for --trainable but received "last:0"/],
    ['train', '--policy cycle', /Expected one of fixed, 1cycle for --policy but received "cycle"/],
    [
      'train',
      '--pct-start 0.01',
      /onecycle: --pct-start: .* no warm-up, for --pct-start x steps = 0\.01 x 6 .*Train for more steps, or raise --pct-start above 0\.1667/,
    ],
    [
      'train',
      '--momentum-range 0.85,0.95',
      /the larger first for --momentum-range but received "0\.85,0\.95"\./,
    ],
    [
      'train',
      '--weights no-such',
      /weights "no-such".*Expected a bundled name \(mobilenet_v2_0\.35_224\), a name to download/,
    ],
    [
      'compare',
      '--policies fixed,cycle',
      /Unknown policy "cycle" in --policies\. Expected fixed, fixed:step/,
    ],
    ['compare', '--policies fixed,fixed', /fixed and fixed would train the same runs.*fixed,fixed@100/],
    [
      'compare',
      '--policies fixed,1cycle --lr 1cycel=1',
      /"1cycel", which is no arm\. Expected fixed, 1cycle/,
    ],
    ['compare', '--pct-start 0.01', /Arm 1cycle: --pct-start: .* no warm-up.*raise --pct-start above/],
    [
      'compare',
      '--policies fixed,1cycle:three-phase --pct-start 0.6',
      /Arm 1cycle:three-phase: --pct-start: .* never anneals/,
    ],
    ['find-lr', '--min-lr 1 --max-lr 1', /Expected --min-lr below --max-lr/],
    ['find-lr', '--min-lr 1 --max-lr 0.1', /Expected --min-lr below --max-lr/],
  ])('%s %s', async (command, options, message) => {
    expect(await refusal(command, options.split(' '))).toMatch(message);
  });

  test('a misspelt key in a config file, with the one that was meant', async () => {
    const file = join(root, 'my.json');
    writeFileSync(file, '{"batchsize": 8}');
    expect(await refusal('train', ['--config', file])).toMatch(
      /Unknown key "batchsize" in ROOT\/my\.json\. Did you mean "batchSize"\?/,
    );
  });

  test('weights that are not a MobileNet', async () => {
    const dense = {
      modelTopology: {
        model_config: {
          class_name: 'Sequential',
          config: {
            name: 'net',
            layers: [
              {
                class_name: 'Dense',
                config: { name: 'dense', units: 3, batch_input_shape: [null, 32, 32, 3] },
              },
            ],
          },
        },
      },
      weightsManifest: [],
    };
    const file = join(root, 'model.json');
    writeFileSync(file, JSON.stringify(dense));
    expect(await refusal('train', ['--weights', file])).toMatch(
      /weights ROOT\/model\.json: .*[Dd]ense.*Expected a TFJS layers-model of MobileNet V1 or V2/s,
    );
  });
});

describe('words that commander refuses', () => {
  test.each<[string[], RegExp]>([
    [['--data', 'photos', 'train'], /^Options follow the command: onecycle train --data photos$/m],
    [['train', 'photos'], /^A data folder is given with its option: onecycle train --data photos$/m],
    [['find-lr', '--epochs', '3', 'photos'], /onecycle find-lr --data photos$/m],
    [['train', '\u2014epochs', '3'], /^\u2014epochs begins with a dash of printed text: write --epochs$/m],
    [['trian'], /^error: unknown command 'trian'\n\(Did you mean train\?\)/m],
  ])('%j', async (words, message) => {
    const { code, stdout, stderr } = await runCli(words);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });
});

describe('folders that are refused', () => {
  const classFolder = 'Expected at least two classes, as DIR/train/<class>';

  test.concurrent.each<[string, (dir: string) => void, string]>([
    [
      'empty',
      (dir) => readdirSync(dir).forEach((name) => rmSync(join(dir, name), { recursive: true })),
      `No images found in ROOT/empty. ${classFolder}`,
    ],
    [
      'missing',
      (dir) => rmSync(dir, { recursive: true }),
      'No such data folder: ROOT/missing. Expected a folder with',
    ],
    [
      'one-class',
      (dir) => ['train', 'val'].forEach((part) => rmSync(join(dir, part, 'bees'), { recursive: true })),
      `Only one class, "ants", found in ROOT/one-class. ${classFolder}`,
    ],
    [
      'unknown-in-val',
      (dir) => cpSync(join(dir, 'val', 'bees'), join(dir, 'val', 'wasps'), { recursive: true }),
      'train/ and val/ in ROOT/unknown-in-val differ: train/ has no images of "wasps". Expected the same classes in both',
    ],
    [
      'missing-in-val',
      (dir) => rmSync(join(dir, 'val', 'bees'), { recursive: true }),
      'train/ and val/ in ROOT/missing-in-val differ: val/ has no images of "bees"',
    ],
    [
      'all-broken',
      (dir) =>
        readdirSync(join(dir, 'val', 'bees')).forEach((f) => writeFileSync(join(dir, 'val', 'bees', f), 'x')),
      'No validation image of "bees" in ROOT/all-broken can be used',
    ],
    [
      'test-beside-classes',
      (dir) => {
        ['ants', 'bees'].forEach((name) => renameSync(join(dir, 'train', name), join(dir, name)));
        renameSync(join(dir, 'val', 'ants'), join(dir, 'test'));
        ['train', 'val'].forEach((name) => rmSync(join(dir, name), { recursive: true }));
      },
      'ROOT/test-beside-classes has test/ beside ants/, bees/: the name is that of a part of the data, not of a class. Expected',
    ],
    [
      'bus-beside-train',
      (dir) => cpSync(join(dir, 'train', 'bees'), join(dir, 'bus'), { recursive: true }),
      'ROOT/bus-beside-train has class folders in train/, and images outside of the parts in bus/. Expected all images in train/<class>/',
    ],
    [
      'val-is-a-link',
      (dir) => {
        rmSync(join(dir, 'val'), { recursive: true });
        symlinkSync(join(data, 'val'), join(dir, 'val'));
      },
      'val/ in ROOT/val-is-a-link cannot be read: link out of the data folder: --follow-links allows it. Without it',
    ],
    [
      'other-case-in-val',
      (dir) => renameSync(join(dir, 'val', 'bees'), join(dir, 'val', 'Bees')),
      '"bees" and "Bees" differ in case alone: rename one of them.',
    ],
    [
      'detection',
      (dir) => {
        for (const part of ['train', 'val']) {
          renameSync(join(dir, part, 'bees'), join(dir, part, 'images'));
          rmSync(join(dir, part, 'ants'), { recursive: true });
          mkdirSync(join(dir, part, 'labels'));
          writeFileSync(join(dir, part, 'labels', '0.txt'), '0 0.5 0.5 0.1 0.1');
        }
      },
      'ROOT/detection holds images/ beside labels, as data sets for object detection do',
    ],
  ])('%s', async (name, change, message) => {
    const dir = copyOfData(name, change);
    expect(await refusal('train', ['--data', dir])).toContain(message);
  });
});

describe('folders as people have them', () => {
  const taken = async (dir: string, ...options: string[]) => {
    const args = ['train', '--dry-run', '--json', '--data', dir, '--out', join(root, 'no-out'), ...SMALL];
    const result = await runCli([...args, ...options]);
    expect(result.code, result.stderr).toBe(0);
    expect(() => JSON.parse(result.stdout) as unknown).not.toThrow();
    return result.stderr.split('\n');
  };

  test('are taken as they are meant, which is said on stderr', async () => {
    const dir = copyOfData('named', (copy) => {
      renameSync(join(copy, 'train'), join(copy, 'Training'));
      renameSync(join(copy, 'val'), join(copy, 'Testing'));
      ['Training/lost+found', 'Training/ants/@eaDir'].forEach((name) => mkdirSync(join(copy, name)));
      writeFileSync(join(copy, 'Training', 'ants', 'desktop.ini'), '');
    });
    const lines = await taken(dir);
    expect(lines).toContain(
      'named: Training/ as training part (2 classes, 24 images), Testing/ as validation part (12 images)',
    );
    expect(lines.filter((line) => /skipped|passed over/.test(line))).toEqual([]);
    expect(lines).toContainEqual(expect.stringMatching(/^Testing\/ serves as validation part/));
    // Progress is not shown, what the results need is.
    const quiet = await taken(dir, '--quiet');
    expect(quiet.filter((line) => line.includes('Testing/'))).toEqual([expect.stringMatching(/ serves /)]);
  });

  test('with the same file under two classes: a contradiction, not a flattered accuracy', async () => {
    const dir = copyOfData('twins', (copy) =>
      cpSync(join(copy, 'train', 'ants', '0.png'), join(copy, 'val', 'bees', 'twin.png')),
    );
    const lines = (await taken(dir)).join('\n');
    expect(lines).toMatch(/contradicting labels: 2 images .*train\/ants\/0\.png = val\/bees\/twin\.png/);
    expect(lines).not.toContain('flatters');
  });

  test.runIf(process.platform === 'linux')('with a class folder whose name is not UTF-8', async () => {
    const dir = copyOfData('latin-1', () => undefined);
    const name = Buffer.concat([Buffer.from(join(dir, 'train', 'caf')), Buffer.of(0xe9)]);
    mkdirSync(name);
    expect(await refusal('train', ['--data', dir])).toMatch(
      /The name of the folder caf\\xe9 in ROOT\/latin-1\/train is not UTF-8.*rename it/,
    );
  });
});

/** The header of a JPEG of 30,000 x 30,000 pixels (SOI, SOF0 with three components, EOI): 2.7 GB decoded. */
const HUGE_JPEG = Buffer.from(
  'ffd8' + 'ffc00011087530753003012200021101031101' + 'ffda000c03010002110311003f00' + 'ffd9',
  'hex',
);

describe('single bad images are left out, named and recorded', () => {
  let dir: string;
  const TRAIN = 'train/größe und maß';

  beforeAll(async () => {
    const { default: sharp } = await import('sharp');
    dir = join(root, 'spoilt');
    await tinyImages(dir, { classes: ['größe und maß', '蟻 ants'] });
    const noise = Buffer.from(Array.from({ length: 96 * 96 * 3 }, (_, i) => (i * 7919) % 251));
    const jpeg = await sharp(noise, { raw: { width: 96, height: 96, channels: 3 } })
      .jpeg()
      .toBuffer();
    const put = (name: string, content: string | Buffer) => writeFileSync(join(dir, TRAIN, name), content);
    put('text.jpg', 'this is no picture');
    put('cut.jpg', jpeg.subarray(0, jpeg.length / 2));
    put('empty.jpg', '');
    put('huge.jpg', HUGE_JPEG);
    put('whole image.JPG', jpeg);
    symlinkSync('loop.jpg', join(dir, TRAIN, 'loop.jpg'));
    symlinkSync('..', join(dir, TRAIN, 'parent'));
    put('secret.jpg', jpeg);
    chmodSync(join(dir, TRAIN, 'secret.jpg'), 0o000);
  });

  const EXPECTED: Readonly<Record<string, RegExp>> = {
    'cut.jpg': /damaged or cut short/,
    'empty.jpg': /the file is empty/,
    'huge.jpg': /more than 100 megapixels: make it smaller/,
    'loop.jpg': /link/,
    parent: /link to a folder that contains it/,
    'secret.jpg': /permission denied/,
    'text.jpg': /no image of a known kind/,
  };

  /** As a user without privileges: root may read anything. */
  async function unprivileged(args: readonly string[]) {
    const bin = join(ROOT, 'bin', 'onecycle.js');
    const command = [process.execPath, bin, ...args];
    const asNobody = ['setpriv', '--reuid=65534', '--clear-groups', ...command];
    const [file = '', ...rest] = process.getuid?.() === 0 ? asNobody : command;
    return execa(file, rest, { reject: false, stdin: 'ignore', env: { NO_COLOR: '1', HOME: root } });
  }

  test('a run goes on without them: exit 0, a warning each, and the record lists them', async () => {
    const out = join(root, 'spoilt-out');
    mkdirSync(out);
    chmodSync(out, 0o777);
    const result = await unprivileged(['train', '--data', dir, '--out', out, ...SMALL, '--json']);
    expect(result.exitCode, result.stderr).toBe(0);
    const { dataset, run } = JSON.parse(result.stdout) as {
      run: string;
      dataset: { classes: string[]; train: number; skipped: { path: string; reason: string }[] };
    };
    expect(dataset.classes).toEqual(['größe und maß', '蟻 ants']);
    // Twelve of each class, and the one whole image among the bad ones.
    expect(dataset.train).toBe(25);
    const byName = (list: readonly { path: string; reason: string }[]) =>
      Object.fromEntries(list.map(({ path, reason }) => [path.replace(`${TRAIN}/`, ''), reason]));
    const skipped = byName(dataset.skipped);
    expect(Object.keys(skipped).sort()).toEqual(Object.keys(EXPECTED).sort());
    for (const [name, reason] of Object.entries(EXPECTED)) {
      expect(skipped[name], name).toMatch(reason);
      expect(result.stderr).toContain(`skipped ${TRAIN}/${name}: ${skipped[name]!}`);
    }
    const recorded = JSON.parse(readFileSync(join(run, 'dataset.json'), 'utf8')) as typeof dataset;
    expect(recorded.skipped).toEqual(dataset.skipped);
    expect(readFileSync(join(run, 'model', 'labels.txt'), 'utf8')).toBe('größe und maß\n蟻 ants\n');
  });

  test('with --strict they are an error that lists them all: exit 2, nothing left', async () => {
    const out = join(root, 'strict-out');
    mkdirSync(out);
    chmodSync(out, 0o777);
    const result = await unprivileged(['train', '--data', dir, '--out', out, ...SMALL, '--strict']);
    expect(result.exitCode, result.stderr).toBe(2);
    expect(result.stdout).toBe('');
    expect(result.stderr).toMatch(/7 file\(s\) in .* cannot be used, and --strict allows none/);
    for (const name of Object.keys(EXPECTED)) expect(result.stderr).toContain(`${TRAIN}/${name}: `);
    expect(readdirSync(out)).toEqual([]);
  });

  test('a class folder that may not be read is an error, not an empty class', async () => {
    const locked = copyOfData('locked', (copy) => chmodSync(join(copy, 'train', 'bees'), 0o000));
    const out = join(root, 'locked-out');
    mkdirSync(out);
    chmodSync(out, 0o777);
    const result = await unprivileged(['train', '--data', locked, '--out', out, ...SMALL]);
    chmodSync(join(locked, 'train', 'bees'), 0o755);
    expect(result.exitCode, result.stderr).toBe(2);
    expect(result.stderr).toMatch(/No permission to read the data folder .*locked\/train\/bees.*chmod/);
  });
});
