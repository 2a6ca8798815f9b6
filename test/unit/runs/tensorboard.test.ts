import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  appendEvents,
  crc32c,
  createEventFile,
  epochEvent,
  recordedEvents,
  stepEvents,
} from '../../../src/runs/tensorboard.js';
import { freshFolder } from './fresh-folder.js';

// RFC 3720, B.4, and the check value of the catalogue of parametrised CRC algorithms.
test.each([
  ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
  ['32 ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['rising', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  ['falling', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  ['digits', Buffer.from('123456789'), 0xe3069283],
  ['nothing', Buffer.alloc(0), 0],
])('CRC32C of %s', (_, data, expected) => {
  expect(crc32c(data)).toBe(expected);
});

const step = (number: number, epoch: number) => {
  return { step: number, epoch, learningRate: 0.001 * number, momentum: 0.9, loss: 2 - 0.1 * number };
};
const epoch = (number: number, seconds: number) => {
  const counts = { validAccuracy: 0.5, correct: 5, total: 10 };
  return { epoch: number, trainLoss: 1.5, validLoss: 1.25, ...counts, seconds };
};

test('the seconds of an epoch are spread evenly over its steps', () => {
  expect(stepEvents([step(0, 1), step(1, 1)], 4, 100).map(({ wallTime }) => wallTime)).toEqual([98, 100]);
  const steps = [step(0, 1), step(1, 1), step(2, 2), step(3, 2), step(4, 3)];
  const events = recordedEvents(steps, [epoch(1, 2), epoch(2, 6)], 1000);
  expect(events.map(({ wallTime, step: at }) => [wallTime, at])).toEqual([
    ...[993, 994, 994].map((time, i) => [time, [0, 1, 1][i]]),
    ...[997, 1000, 1000].map((time, i) => [time, [2, 3, 3][i]]),
    [1000, 4],
  ]);
  expect(events[2]!.scalars).toEqual({
    'epoch/train loss': 1.5,
    'epoch/validation loss': 1.25,
    'epoch/validation accuracy': 0.5,
  });
  expect(recordedEvents([], [], 5)).toEqual([]);
});

// Written out by hand: event.proto, summary.proto and record_writer.h.
test('an event is a record with its length, two checksums and a message', async () => {
  const dir = freshFolder();
  const path = await createEventFile(dir, [], 7);
  const version = readFileSync(path);
  expect(version.readBigUInt64LE(0)).toBe(24n);
  expect(version.length).toBe(8 + 4 + 24 + 4);
  expect(version[12]).toBe(0x09);
  expect(version.subarray(21, 36).toString()).toBe('\u001a\u000dbrain.Event:2');

  await appendEvents(path, [
    epochEvent(epoch(1, 1), 300, 1.5),
    { wallTime: 2, step: 1, scalars: { a: 0.5 } },
  ]);
  const last = readFileSync(path).subarray(-(12 + 23 + 4));
  const message =
    '09' +
    '0000000000000040' + // field 1, eight bytes: 2.0
    '1001' + // field 2, a varint: 1
    '2a0a' +
    '0a08' + // field 5 of 10 bytes, in it field 1 of 8 bytes:
    '0a0161' + // the tag
    '150000003f'; // field 2, four bytes: 0.5
  expect(last.subarray(12, -4).toString('hex')).toBe(message);
  // 300 as a varint.
  expect(readFileSync(path).toString('hex')).toContain('10ac02');
});

test('a new start takes the place of the files of earlier ones', async () => {
  const dir = freshFolder();
  const first = await createEventFile(dir, [], 7);
  await appendEvents(first, stepEvents([step(0, 1), step(1, 1)], 1, 10));
  writeFileSync(join(dir, 'steps.jsonl'), '');
  const second = await createEventFile(dir, stepEvents([step(0, 1)], 1, 10), 7);
  expect(second).not.toBe(first);
  expect(
    readdirSync(dir)
      .map((name) => join(dir, name))
      .sort(),
  ).toEqual([second, join(dir, 'steps.jsonl')].sort());
});

test('a folder that is gone is told, with what to do', async () => {
  const path = join(freshFolder(), 'gone', 'events.out.tfevents.1');
  await expect(appendEvents(path, [])).rejects.toThrow(/^Could not write .*gone.*ENOENT/);
});
