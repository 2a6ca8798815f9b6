import { describe, expect, onTestFinished, test } from 'vitest';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { RunError } from '../../../src/errors.js';
import { randomStream } from '../../../src/random.js';
import { FeatureStore } from '../../../src/workbench/features.js';

const SHAPE = [2, 3, 5] as const;
const LENGTH = 30;
const SLOTS = 7;
const BYTES = SLOTS * LENGTH * 4;

function store(memoryBytes: number): FeatureStore {
  const made = FeatureStore.create(SHAPE, SLOTS, memoryBytes);
  onTestFinished(() => made.close({ remove: true }));
  return made;
}

/** Slot by slot: random values with those that a wrong copy would change first. */
function values(slot: number): Float32Array {
  const stream = randomStream(slot, 'features');
  const drawn = Float32Array.from({ length: LENGTH }, () => stream.uniform() - 0.5);
  drawn.set([0, -0, 1e-42, 3.4e38, -Infinity]);
  return drawn;
}

const bits = (array: Float32Array) => [...new Uint32Array(array.slice().buffer)];

describe.each([
  ['memory', BYTES],
  ['a file', BYTES - 1],
])('in %s', (where, memoryBytes) => {
  test('keeps what was put, in any order, bit for bit', () => {
    const kept = store(memoryBytes);
    expect(kept.handle.file === undefined).toBe(where === 'memory');
    expect(kept.handle.memory === undefined).toBe(where === 'a file');
    for (const slot of [6, 0, 3]) kept.put(slot, values(slot));
    expect(Array.from({ length: SLOTS }, (_, slot) => kept.has(slot))).toEqual([
      true,
      false,
      false,
      true,
      false,
      false,
      true,
    ]);
    const slots = [3, 6, 3, 0];
    expect(bits(kept.gather(slots))).toEqual(slots.flatMap((slot) => bits(values(slot))));
    expect(kept.gather([]).length).toBe(0);
  });

  test('takes a part of a larger array, as an engine hands them over', () => {
    const kept = store(memoryBytes);
    const both = new Float32Array([...values(1), ...values(2)]);
    kept.put(1, both.subarray(0, LENGTH));
    kept.put(2, both.subarray(LENGTH));
    expect(bits(kept.gather([2, 1]))).toEqual([...bits(values(2)), ...bits(values(1))]);
  });

  test('is shared through its handle', () => {
    const owner = store(memoryBytes);
    const other = new FeatureStore(structuredClone(owner.handle));
    other.put(5, values(5));
    expect(owner.has(5)).toBe(true);
    expect(bits(owner.gather([5]))).toEqual(bits(values(5)));
    other.close({ remove: false });
    expect(bits(owner.gather([5]))).toEqual(bits(values(5)));
  });

  test('what is gathered is a copy of the store', () => {
    const kept = store(memoryBytes);
    kept.put(0, values(0));
    const gathered = kept.gather([0]);
    gathered.fill(9);
    expect(bits(kept.gather([0]))).toEqual(bits(values(0)));
  });
});

test('two stores of one size made at once do not meet in one file', () => {
  const [a, b] = [store(0), store(0)];
  a.put(0, values(0));
  b.put(0, values(1));
  expect(bits(a.gather([0]))).toEqual(bits(values(0)));
  a.close({ remove: true });
  expect(bits(b.gather([0]))).toEqual(bits(values(1)));
});

test('its file has no name, so that even a kill leaves nothing behind', () => {
  const kept = store(0);
  kept.put(0, values(0));
  expect(fstatSync(kept.handle.file!)).toMatchObject({ nlink: 0, size: LENGTH * 4 });
});

test('a full disk is an error that says what to do', () => {
  const { handle } = store(0);
  // Every write to this device fails as on a full disk.
  const full = openSync('/dev/full', 'r+');
  onTestFinished(() => closeSync(full));
  const kept = new FeatureStore({ ...handle, file: full });
  expect(() => kept.put(0, values(0))).toThrow(RunError);
  expect(() => kept.put(0, values(0))).toThrow(/ENOSPC.*Free some space.*TMPDIR/);
  expect(kept.has(0)).toBe(false);
});
