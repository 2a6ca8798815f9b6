import { appendFile, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { explainWriteError, writeFileAtomic } from './atomic.js';
import type { EpochRecord, StepRecord } from './documents.js';

// TensorBoard's event files: TFRecords (tensorflow/core/lib/io/record_writer.h) of Event messages (tensorflow/core/util/event.proto)
// in the wire format of protocol buffers.

/** Scalars of one moment. */
export interface ScalarEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  readonly scalars: Readonly<Record<string, number>>;
}

/** Steps as TensorBoard shows them: they have no times of their own, so that `seconds` are spread evenly, up to the time `end`. */
export function stepEvents(steps: readonly StepRecord[], seconds: number, end: number): ScalarEvent[] {
  return steps.map(({ step, learningRate, momentum, loss }, i) => ({
    wallTime: end - (seconds * (steps.length - 1 - i)) / steps.length,
    step,
    scalars: { 'train/loss': loss, 'train/learning rate': learningRate, 'train/momentum': momentum },
  }));
}

/** An epoch as TensorBoard shows it, at its last step. */
export function epochEvent(record: EpochRecord, step: number, wallTime: number): ScalarEvent {
  const scalars = {
    'epoch/train loss': record.trainLoss,
    'epoch/validation loss': record.validLoss,
    'epoch/validation accuracy': record.validAccuracy,
  };
  return { wallTime, step, scalars };
}

/** All that a run has recorded by the time `end`. */
export function recordedEvents(
  steps: readonly StepRecord[],
  epochs: readonly EpochRecord[],
  end: number,
): ScalarEvent[] {
  const events: ScalarEvent[] = [];
  let time = end - epochs.reduce((sum, { seconds }) => sum + seconds, 0);
  let taken = 0;
  for (const record of epochs) {
    const first = taken;
    while (steps[taken]?.epoch === record.epoch) taken++;
    time += record.seconds;
    events.push(...stepEvents(steps.slice(first, taken), record.seconds, time));
    events.push(epochEvent(record, steps[taken - 1]?.step ?? 0, time));
  }
  return [...events, ...stepEvents(steps.slice(taken), 0, end)];
}

/** How TensorBoard tells these files from all others. */
const MARK = '.tfevents.';

async function eventFiles(dir: string): Promise<string[]> {
  return (await readdir(dir)).filter((name) => name.includes(MARK));
}

/** Whether an earlier start of a run wrote an event file. */
export async function hasEventFile(dir: string): Promise<boolean> {
  return (await eventFiles(dir)).length > 0;
}

/**
 * Begins a new event file in a run's folder with what the run has recorded by now, and removes those of earlier starts: after a
 * kill they may hold steps that are taken again. Answers its path. Throws RunError where the disk refuses.
 * @param begun when this start of the run began, in seconds since 1970
 */
export async function createEventFile(
  dir: string,
  past: readonly ScalarEvent[],
  begun: number,
): Promise<string> {
  const earlier = await eventFiles(dir);
  const name = `events.out${MARK}${Math.floor(begun)}.${hostname()}.${process.pid}.${earlier.length}`;
  const path = join(dir, name);
  await writeFileAtomic(
    path,
    recordsOf([versionEvent(past[0]?.wallTime ?? begun), ...past.map(scalarEvent)]),
    { phase: 'run' },
  );
  for (const old of earlier) {
    await rm(join(dir, old), { force: true }).catch((error: unknown) => {
      throw explainWriteError(error, join(dir, old), 'run');
    });
  }
  return path;
}

/** Adds events to an event file. Throws RunError where the disk refuses. */
export async function appendEvents(path: string, events: readonly ScalarEvent[]): Promise<void> {
  await appendFile(path, recordsOf(events.map(scalarEvent))).catch((error: unknown) => {
    throw explainWriteError(error, path, 'run');
  });
}

function recordsOf(messages: readonly Uint8Array[]): Buffer {
  return Buffer.concat(messages.map(tfRecord));
}

/** Field numbers of Event, Summary and Summary.Value. */
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5 } as const;
const SUMMARY = { value: 1 } as const;
const VALUE = { tag: 1, simpleValue: 2 } as const;

/** The first event of every file. */
function versionEvent(wallTime: number): Uint8Array {
  return Buffer.concat([double(EVENT.wallTime, wallTime), text(EVENT.fileVersion, 'brain.Event:2')]);
}

function scalarEvent({ wallTime, step, scalars }: ScalarEvent): Uint8Array {
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytes(SUMMARY.value, Buffer.concat([text(VALUE.tag, tag), float(VALUE.simpleValue, value)])),
  );
  return Buffer.concat([
    double(EVENT.wallTime, wallTime),
    key(EVENT.step, 0),
    varint(step),
    bytes(EVENT.summary, Buffer.concat(values)),
  ]);
}

// Wire types of protocol buffers: 0 a varint, 1 eight bytes, 2 bytes with their length, 5 four bytes.

function key(field: number, wireType: 0 | 1 | 2 | 5): Buffer {
  return varint(field * 8 + wireType);
}

/** A whole number from 0, seven bits a byte, the lowest first. */
function varint(value: number): Buffer {
  const parts: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) parts.push((rest % 0x80) | 0x80);
  return Buffer.from([...parts, rest]);
}

function double(field: number, value: number): Buffer {
  const number = Buffer.alloc(8);
  number.writeDoubleLE(value);
  return Buffer.concat([key(field, 1), number]);
}

function float(field: number, value: number): Buffer {
  const number = Buffer.alloc(4);
  number.writeFloatLE(value);
  return Buffer.concat([key(field, 5), number]);
}

function text(field: number, value: string): Buffer {
  return bytes(field, Buffer.from(value, 'utf8'));
}

function bytes(field: number, value: Buffer): Buffer {
  return Buffer.concat([key(field, 2), varint(value.length), value]);
}

/** Length (uint64), its checksum, data, and the data's checksum; all little-endian. */
function tfRecord(data: Uint8Array): Buffer {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(data.length));
  head.writeUInt32LE(maskedCrc(head.subarray(0, 8)), 8);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(maskedCrc(data));
  return Buffer.concat([head, data, tail]);
}

/** CRC32C, rotated and shifted as TFRecords have it, so that a checksum of data that holds checksums is sound. */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** The remainder of each byte by Castagnoli's polynomial, bits reversed. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? 0x82f63b78 : 0);
  return rest;
});

/** The checksum of Castagnoli, Braeuer and Herrmann (IEEE Transactions on Communications 41(6), 1993), as in RFC 3720, 12.1. */
export function crc32c(data: Uint8Array): number {
  let rest = 0xffffffff;
  for (const byte of data) rest = (rest >>> 8) ^ (TABLE[(rest ^ byte) & 0xff] ?? 0);
  return (rest ^ 0xffffffff) >>> 0;
}
