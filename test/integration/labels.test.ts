import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runCli } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

/**
 * The working directory of all commands here. It holds the same images four times: in `plain` in train/ and val/, in `flat` side by side
 * with a table of them, and in `nested` one folder deeper.
 */
let home: string;
/** Of every image its path in `plain`. */
let files: string[];
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'onecycle-labels-'));
  const plain = join(home, 'plain');
  await tinyImages(plain, { train: 6, valid: 3 });
  const inFolders = readdirSync(plain, { recursive: true, encoding: 'utf8' });
  files = inFolders.filter((path) => path.endsWith('.png')).map((path) => path.replaceAll('\\', '/'));
  for (const folder of ['flat', 'nested/train', 'nested/val'])
    mkdirSync(join(home, folder), { recursive: true });
  for (const file of files) copyFileSync(join(plain, file), join(home, 'flat', file.replaceAll('/', '-')));
  for (const part of ['train', 'val'])
    cpSync(join(plain, part), join(home, 'nested', part, 'insects'), { recursive: true });
  writeFileSync(
    join(home, 'plain.csv'),
    table((file) => file, 'file,label,split'),
  );
  // Without extensions, and with what a spreadsheet adds.
  const ids = table((file) => file.replaceAll('/', '-').replace('.png', ''), 'image_id,species,is_valid');
  const flags = ids.replaceAll(',train\n', ',False\n').replaceAll(',val\n', ',True\n');
  writeFileSync(join(home, 'flat', 'labels.csv'), `\ufeff${flags.replaceAll('\n', '\r\n')}`);
  await done('train', '--data', 'plain', '--out', 'still', ...STILL);
  return () => rm(home, { recursive: true, force: true });
});

function table(name: (file: string) => string, header: string): string {
  const line = (file: string) => [name(file), file.split('/')[1], file.split('/')[0]].join(',');
  return [header, ...files.toReversed().map(line), ''].join('\n');
}

const SMALL = '--image-size 32 --batch-size 4 --epochs 2 --trainable last:1 --lr 0.01 --workers 1'.split(' ');
/** Crops and flips are drawn by an image's path: without them its place makes no difference. */
const STILL = [...SMALL, '--augment', 'none'];

const call = (...args: string[]) => runCli(args, { cwd: home });
async function done(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await call(...args);
  expect(code, stderr).toBe(0);
  return { stdout, stderr };
}
const read = (...path: string[]) => readFileSync(join(home, ...path));
const COMPUTED = ['steps.jsonl', 'model/weights.bin', 'model/labels.txt'];

describe('a table of labels', () => {
  test('gives, bit for bit, what folders of the same images give, and their run is known again', async () => {
    await done('train', '--data', 'plain', '--out', 'folders', ...SMALL);
    const again = await done(
      'train',
      '--data',
      'plain',
      '--labels',
      'plain.csv',
      '--out',
      'folders',
      ...SMALL,
    );
    expect(again.stderr).toContain(
      'plain by plain.csv (columns file, label): 2 classes (ants, bees), 12 images to train on and 6 to validate with (by the column split)\n',
    );
    expect(readdirSync(join(home, 'folders'))).toEqual(['1cycle-seed0']);

    const flat = await done('train', '--labels', 'flat/labels.csv', '--out', 'tables', ...STILL);
    expect(flat.stderr).toContain(
      'flat by labels.csv (columns image_id, species): 2 classes (ants, bees), 12 images to train on and 6',
    );
    for (const name of COMPUTED) {
      expect(read('tables/1cycle-seed0', name).equals(read('still/1cycle-seed0', name)), name).toBe(true);
    }
    const dataset = JSON.parse(read('tables/1cycle-seed0/dataset.json').toString());
    expect(dataset.labels).toEqual({
      file: 'flat/labels.csv',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const config = JSON.parse(read('tables/1cycle-seed0/config.json').toString());
    expect(config).toMatchObject({ data: 'flat', labels: 'flat/labels.csv', classDepth: 1 });

    // No folder says a class here: the run's record does.
    const { stdout } = await done('predict', 'tables/1cycle-seed0', 'flat');
    expect(stdout).toMatch(/accuracy \d\.\d{3} \(\d+\/18\)/);
  });

  test('says the classes for data check as well, which leads on with it', async () => {
    const { stdout, stderr } = await done('data', 'check', '--labels', 'flat/labels.csv', '--json');
    const { dataset, config } = JSON.parse(stdout);
    expect([dataset.classes, dataset.train, dataset.valid]).toEqual([['ants', 'bees'], 12, 6]);
    expect(config).toMatchObject({ labels: 'flat/labels.csv', classDepth: 1 });
    expect(stderr).toMatch(/--labels flat\/labels\.csv/);
  });

  test('may move between two parts of a run, and may not change', async () => {
    cpSync(join(home, 'flat'), join(home, 'first'), { recursive: true });
    await done('train', '--labels', 'first/labels.csv', '--out', 'moved', ...SMALL);
    renameSync(join(home, 'first'), join(home, 'second'));
    const more = ['train', '--resume', 'moved/1cycle-seed0', '--extend-to', '3', '--workers', '1'];
    const gone = await call(...more);
    expect([gone.code, gone.stderr]).toEqual([2, expect.stringMatching(/No such .*first/)]);
    const own = read('second/labels.csv').toString();
    writeFileSync(join(home, 'second', 'labels.csv'), own.replace('train-ants-0,ants', 'train-ants-0,bees'));
    const changed = await call(...more, '--labels', 'second/labels.csv');
    expect(changed.code).toBe(2);
    expect(changed.stderr).toContain(
      'other images than there are now: train-ants-0.png is of another class or part.',
    );
    writeFileSync(join(home, 'second', 'labels.csv'), own.replace('train-ants-0', 'train-ants-0.png'));
    await done(...more, '--labels', 'second/labels.csv');
    expect(JSON.parse(read('moved/1cycle-seed0/result.json').toString()).epochs).toHaveLength(3);
  });

  test('that is wrong is an error before anything is written', async () => {
    writeFileSync(
      join(home, 'flat', 'wrong.csv'),
      'file,label\ntrain-ants-0.png,ants\ntrain-ants-0.png,bees\n',
    );
    const { code, stderr } = await call(
      'find-lr',
      '--labels',
      'flat/wrong.csv',
      '--out',
      'never',
      ...SMALL.slice(0, 6),
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /flat\/wrong\.csv, line 3: train-ants-0\.png is of class "bees" here and of "ants" in line 2/,
    );
    expect(readdirSync(home)).not.toContain('never');
    writeFileSync(join(home, 'flat', 'my.json'), '{"labels": "labels.csv", "data": "plain"}');
    const misplaced = await call('train', '--config', 'flat/my.json');
    expect(misplaced.code).toBe(2);
    expect(misplaced.stderr).toMatch(
      /No such file of labels: labels\.csv.*"labels" in flat\/my\.json is a relative path/,
    );
  });
});

describe('classes that two folders name', () => {
  test('are trained, predicted and listed by their path, and compute what one folder computes', async () => {
    const found = await call(
      'train',
      '--data',
      'nested',
      '--dry-run',
      '--json',
      '--quiet',
      '--class-depth',
      '2',
      ...SMALL,
    );
    expect(JSON.parse(found.stdout).dataset.classes).toEqual(['insects/ants', 'insects/bees']);
    await done('train', '--data', 'nested', '--class-depth', '2', '--out', 'deep', ...STILL);
    for (const name of COMPUTED.slice(0, 2)) {
      expect(read('deep/1cycle-seed0', name).equals(read('still/1cycle-seed0', name)), name).toBe(true);
    }
    expect(read('deep/1cycle-seed0/model/labels.txt').toString()).toBe('insects/ants\ninsects/bees\n');
    const { stdout } = await done('predict', 'deep/1cycle-seed0', 'nested/val/insects/ants');
    expect(stdout).toMatch(/accuracy \d\.\d{3} \(\d\/3\)/);
    expect((await done('show', 'deep/1cycle-seed0')).stdout).toContain('validation accuracy');
  });
});
