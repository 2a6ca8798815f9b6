import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { schemaErrors } from '../schemas/validate.js';
import { interruptAfter, lines, SMALL_RUN } from './interrupted-run.js';
import { runCli, scratchFolder } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

const SMALL = ['--image-size', '32', '--trainable', 'head', '--batch-size', '12', '--quiet', '--json'];

test('what the commands print and record is as the published schemas have it', async () => {
  const cwd = await scratchFolder();
  await tinyImages(join(cwd, 'data'));
  const printed = async (schema: string, ...args: string[]) => {
    const { code, stdout, stderr } = await runCli(args, { cwd });
    expect(code, `${args.join(' ')}: ${stderr}`).toBe(0);
    expect(schemaErrors(schema, JSON.parse(stdout)), args.join(' ')).toEqual([]);
  };
  const data = ['--data', 'data', ...SMALL];
  await printed('train', 'train', ...data, '--epochs', '2');
  await printed('find-lr', 'find-lr', ...data, '--steps', '8', '--seeds', '1');
  await printed('compare', 'compare', ...data, '--epochs', '2', '--seeds', '2', '--jobs', '1');
  await printed('compare-plan', 'compare', ...data, '--epochs', '2', '--plan');
  for (const command of ['train', 'compare', 'find-lr'])
    await printed(`${command}-dry-run`, command, ...data, '--dry-run');
  await printed('train', 'show', 'runs/1cycle-seed0', '--json');
  await printed('find-lr', 'show', 'runs/find-lr-seed0', '--json');
  await printed('export', 'export', 'runs/1cycle-seed0', '--to', 'web', '--json');
  await printed('predict-line', 'predict', 'runs/1cycle-seed0', 'data/val/ants/0.png', '--json');
  await printed('runs', 'runs', '--json');
  await printed('runs', 'runs', '--json', '--prune', '--yes', '--policy', 'fixed');
  for (const command of ['train', 'find-lr', 'compare'])
    await printed('print-config', command, ...data, '--print-config');

  const recorded = (run: string) => {
    const check = (schema: string, name: string) => {
      expect(schemaErrors(schema, JSON.parse(readFileSync(join(cwd, run, name), 'utf8'))), name).toEqual([]);
    };
    check(run.includes('find-lr') ? 'find-lr' : 'train', 'result.json');
    check('dataset', 'dataset.json');
    for (const name of ['steps', 'epochs', 'predictions', 'events', 'curve']) {
      for (const line of lines(join(cwd, run, `${name}.jsonl`))) {
        expect(schemaErrors(`${name}-line`, JSON.parse(line)), `${name}: ${line}`).toEqual([]);
      }
    }
  };
  const interrupted = await interruptAfter(
    ['train', '--data', join(cwd, 'data'), '--out', join(cwd, 'runs'), '--seed', '9', ...SMALL_RUN],
    join(cwd, 'runs/1cycle-seed9'),
    3,
  );
  expect(interrupted.code, interrupted.stderr).toBe(130);
  await printed('train', 'train', '--resume', 'runs/1cycle-seed9', '--extend-to', '5', '--json');
  expect(existsSync(join(cwd, 'runs/1cycle-seed9/events.jsonl'))).toBe(true);
  const preprocessing = readFileSync(join(cwd, 'runs/1cycle-seed0/model/preprocessing.json'), 'utf8');
  expect(schemaErrors('preprocessing', JSON.parse(preprocessing))).toEqual([]);
  for (const run of ['runs/1cycle-seed0', 'runs/1cycle-seed9', 'runs/find-lr-seed0']) recorded(run);
}, 180_000);

test('a schema refuses what is missing, superfluous or of another type', () => {
  const step = { step: 0, epoch: 1, learningRate: 0.1, momentum: 0.9, loss: 2 };
  expect(schemaErrors('steps-line', step)).toEqual([]);
  expect(schemaErrors('steps-line', { ...step, loss: 'high' })).toEqual([
    expect.stringContaining('.loss should be number'),
  ]);
  expect(schemaErrors('steps-line', { ...step, more: 1 })).toEqual([
    expect.stringContaining('additional properties'),
  ]);
  expect(schemaErrors('steps-line', { ...step, loss: undefined })).toEqual([
    expect.stringContaining("required property 'loss'"),
  ]);
});

test('--print-config says where every value comes from', async () => {
  const cwd = await scratchFolder();
  writeFileSync(join(cwd, 'mine.json'), '{"epochs":7,"batchSize":16,"policies":["fixed","1cycle:linear"]}');
  const args = ['--config', 'mine.json', '--batch-size', '8', '--print-config'];
  const { code, stdout, stderr } = await runCli(['compare', ...args, '--json'], { cwd });
  expect(code, stderr).toBe(0);
  const { settings, arms, file } = JSON.parse(stdout) as Record<string, Record<string, unknown>>;
  expect(file).toBe('mine.json');
  expect(settings).toMatchObject({
    epochs: { value: 7, from: 'file' },
    batchSize: { value: 8, from: 'flag' },
    labelSmoothing: { value: 0.1, from: 'default' },
    // Unset: each arm's own by measurement, for the part that is trained by default.
    lr: { value: { fixed: 3e-4, '1cycle': 5e-4 }, from: 'default' },
    imageSize: { value: null, from: 'default' },
  });
  expect(settings).not.toHaveProperty('minLr');
  expect(arms).toEqual([
    { arm: 'fixed', settings: { policy: { value: 'fixed', from: 'arm' } } },
    {
      arm: '1cycle:linear',
      settings: { policy: { value: '1cycle', from: 'arm' }, anneal: { value: 'linear', from: 'arm' } },
    },
  ]);
  const shown = await runCli(['train', ...args], { cwd });
  expect(shown.stdout).toMatch(/^setting +value +from\n/);
  expect(shown.stdout).toMatch(/\nepochs +7 +file mine\.json\n/);
  expect(shown.stdout).toMatch(/\nbatchSize +8 +flag\n/);
  expect(shown.stdout).toMatch(/\nlr +0\.0005 +default\n/);
  const wrong = await runCli(['train', '--config', 'mine.json', '--epochs', 'many', '--print-config'], {
    cwd,
  });
  expect([wrong.code, wrong.stdout]).toEqual([2, '']);
});

describe('with --json an error is a document too', () => {
  const failed = async (cwd: string, args: readonly string[], more: object = {}) => {
    const result = await runCli(args, { cwd, ...more });
    const document = JSON.parse(result.stdout) as { error: { message: string; exitCode: number } };
    expect(schemaErrors('error', document), args.join(' ')).toEqual([]);
    expect(document.error.exitCode).toBe(result.code);
    expect(result.stderr).toContain(document.error.message);
    return document;
  };

  test('wrong options, data and records, and files that cannot be written', async () => {
    const cwd = await scratchFolder();
    await tinyImages(join(cwd, 'data'));
    const usage = (message: RegExp, hint: string | null = null) => ({
      kind: 'usage',
      message: expect.stringMatching(message) as string,
      hint,
      exitCode: 2,
    });
    expect(await failed(cwd, ['train', '--json', '--data', 'nowhere'])).toMatchObject({
      command: 'train',
      status: 'error',
      error: usage(/nowhere/),
    });
    expect(await failed(cwd, ['train', 'photos', '--json'])).toMatchObject({
      command: 'train',
      error: usage(
        /^too many arguments/,
        'A data folder is given with its option: onecycle train --data photos',
      ),
    });
    expect(await failed(cwd, ['trian', '--json'])).toMatchObject({
      command: null,
      error: usage(/^unknown command 'trian'/),
    });
    expect(await failed(cwd, ['show', 'nowhere', '--json'])).toMatchObject({
      command: 'show',
      error: usage(/nowhere/),
    });
    expect(await failed(cwd, ['compare', 'nowhere', '--json'])).toMatchObject({ command: 'compare' });
    // Promised by the configuration file.
    writeFileSync(join(cwd, 'json.json'), '{"json":true,"batchSize":1000}');
    expect(await failed(cwd, ['find-lr', '--config', 'json.json', '--data', 'data'])).toMatchObject({
      command: 'find-lr',
      error: usage(/^--batch-size is \d+, more than the 24 training images/),
    });
    const predicted = await runCli(['predict', 'nowhere', 'x.png', '--json'], { cwd });
    expect(predicted.stdout.split('\n')).toHaveLength(1);
    expect(JSON.parse(predicted.stdout)).toMatchObject({ command: 'predict', error: { kind: 'usage' } });
  });

  test('a refusal of --lr auto is an error of the run; a diverged run has its own document', async () => {
    const cwd = await scratchFolder();
    await tinyImages(join(cwd, 'data'));
    const data = ['--data', 'data', ...SMALL.filter((word) => word !== '--quiet'), '--epochs', '2'];
    writeFileSync(join(cwd, 'flat.json'), '{"minLr":1e-9,"maxLr":1e-8,"steps":12,"seeds":1}');
    expect(await failed(cwd, ['train', ...data, '--lr', 'auto', '--config', 'flat.json'])).toMatchObject({
      command: 'train',
      error: {
        kind: 'run',
        message: expect.stringMatching(/^--lr auto: the range test gives no rate/) as string,
      },
    });
    const diverged = await runCli(['train', ...data, '--lr', '1e30'], { cwd });
    expect(diverged.code).toBe(1);
    expect(JSON.parse(diverged.stdout)).toMatchObject({ command: 'train', status: 'failed' });
    expect(schemaErrors('train', JSON.parse(diverged.stdout))).toEqual([]);
  });
});
