import { expect, test } from 'vitest';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EVERY_STEP, interruptAfter, lines, SMALL_RUN } from './interrupted-run.js';
import { runCli, scratchFolder } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

interface Scalar {
  readonly step: number;
  readonly tag: string;
  readonly value: number;
}

const eventFiles = (run: string) => readdirSync(run).filter((name) => name.includes('.tfevents.'));

/** The scalars of a run's only event file, by a reader of just what these files hold; an outside one is test/outside/tensorboard.sh. */
function scalars(run: string): Scalar[] {
  const files = eventFiles(run);
  expect(files).toHaveLength(1);
  const bytes = readFileSync(join(run, files[0]!));
  const found: Scalar[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(bytes.readBigUInt64LE(at));
    const event = fields(bytes.subarray(at + 12, at + 12 + length));
    at += 12 + length + 4;
    for (const value of fields(event.find(({ field }) => field === 5)?.bytes ?? Buffer.alloc(0))) {
      const [tag, number] = fields(value.bytes);
      found.push({
        step: event.find(({ field }) => field === 2)!.number,
        tag: tag!.bytes.toString(),
        value: number!.bytes.readFloatLE(),
      });
    }
  }
  return found;
}

/** The fields of a protocol buffer message. */
function fields(message: Buffer): { field: number; number: number; bytes: Buffer }[] {
  const found = [];
  for (let at = 0; at < message.length;) {
    const varint = () => {
      let [value, shift] = [0, 1];
      for (; ; shift *= 128) {
        const byte = message[at++]!;
        value += (byte & 127) * shift;
        if (byte < 128) return value;
      }
    };
    const key = varint();
    const type = key & 7;
    const number = type === 0 ? varint() : 0;
    const size = { 0: 0, 1: 8, 2: type === 2 ? varint() : 0, 5: 4 }[type]!;
    found.push({ field: key >> 3, number, bytes: message.subarray(at, at + size) });
    at += size;
  }
  return found;
}

/** What the JSONL files of a run come to as scalars, in single precision. */
function recorded(run: string): Scalar[] {
  const read = (name: string) =>
    lines(join(run, name)).map((line) => JSON.parse(line) as Record<string, number>);
  const [steps, epochs] = [read('steps.jsonl'), read('epochs.jsonl')];
  return [
    ...steps.flatMap(({ step, loss, learningRate, momentum }) => [
      { step: step!, tag: 'train/loss', value: Math.fround(loss!) },
      { step: step!, tag: 'train/learning rate', value: Math.fround(learningRate!) },
      { step: step!, tag: 'train/momentum', value: Math.fround(momentum!) },
    ]),
    ...epochs.flatMap(({ epoch, trainLoss, validLoss, validAccuracy }) => {
      const { step } = steps.findLast((record) => record['epoch'] === epoch)!;
      return [
        { step: step!, tag: 'epoch/train loss', value: Math.fround(trainLoss!) },
        { step: step!, tag: 'epoch/validation loss', value: Math.fround(validLoss!) },
        { step: step!, tag: 'epoch/validation accuracy', value: Math.fround(validAccuracy!) },
      ];
    }),
  ];
}

const sorted = (list: readonly Scalar[]) =>
  list.toSorted((a, b) => a.step - b.step || (a.tag < b.tag ? -1 : a.tag > b.tag ? 1 : 0));

test('train --tensorboard: one file with every step and epoch once, also after an interruption and a resume', async () => {
  const dir = await scratchFolder();
  await tinyImages(join(dir, 'data'));
  const run = join(dir, 'runs', '1cycle-seed0');
  const args = ['train', '--data', join(dir, 'data'), '--out', join(dir, 'runs'), ...SMALL_RUN];
  const stopped = await interruptAfter([...args, '--tensorboard'], run, 8);
  expect(stopped.code, stopped.stderr).toBe(130);
  expect(lines(join(run, 'epochs.jsonl')).length).toBeLessThan(4);
  expect(sorted(scalars(run))).toEqual(sorted(recorded(run)));
  const [first] = eventFiles(run);

  // The run has such a file, so that it goes on with one unasked.
  const resumed = await runCli(['train', '--resume', run], { env: EVERY_STEP });
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(lines(join(run, 'epochs.jsonl'))).toHaveLength(4);
  expect(sorted(scalars(run))).toEqual(sorted(recorded(run)));
  expect(eventFiles(run)).not.toEqual([first]);
}, 120_000);

test('compare --tensorboard: a file a run; without it there is none', async () => {
  const dir = await scratchFolder();
  await tinyImages(join(dir, 'data'));
  const small = [
    '--image-size',
    '32',
    '--trainable',
    'head',
    '--batch-size',
    '8',
    '--epochs',
    '2',
    '--seeds',
    '2',
  ];
  const args = ['compare', '--data', join(dir, 'data'), ...small, '--quiet'];
  const { code, stderr } = await runCli([...args, '--out', join(dir, 'with'), '--tensorboard']);
  expect(code, stderr).toBe(0);
  for (const name of ['fixed-seed0', 'fixed-seed1', '1cycle-seed0', '1cycle-seed1']) {
    expect(sorted(scalars(join(dir, 'with', name)))).toEqual(sorted(recorded(join(dir, 'with', name))));
  }
  await runCli([...args, '--out', join(dir, 'without')]);
  expect(eventFiles(join(dir, 'without', 'fixed-seed0'))).toEqual([]);
}, 120_000);
