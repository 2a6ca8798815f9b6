import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { copyToRow, sumRows } from '../../../src/backend/gradient-rows.js';
import { addAllInPlace } from '../../../src/backend/update.js';
import { startWasm } from '../../../src/backend/wasm/start.js';

tf.enableProdMode();

beforeAll(startWasm);

const SHAPES = [[2, 3], [1], [5], [3, 1, 2, 2]];
const LENGTH = 6 + 1 + 5 + 12;

/** Of very different sizes, so that another order of the sums would give other bits. */
function randomRow(seed: number): Float32Array {
  const values = tf.randomNormal([LENGTH], 0, 1, 'float32', seed);
  const row = Float32Array.from(values.dataSync(), (value, i) => value * 10 ** ((i + seed) % 7));
  values.dispose();
  return row;
}

function variables(): tf.Variable[] {
  return SHAPES.map((shape) => tf.variable(tf.fill(shape, NaN)));
}

test('tensors lie in a row one after another, eleven of them too', () => {
  const tensors = [...SHAPES, ...SHAPES, ...SHAPES].map((shape, i) => tf.fill(shape, i));
  const row = new Float32Array(new SharedArrayBuffer(3 * LENGTH * 4));
  copyToRow(tensors, row);
  expect([...row]).toEqual(tensors.flatMap(({ size }, i) => Array<number>(size).fill(i)));
  tf.dispose(tensors);
});

test.each([1, 2, 3, 5])('%i rows are summed in float32 in their order', (count) => {
  const rows = Array.from({ length: count }, (_, i) => randomRow(i));
  const before = rows.map((row) => [...row]);
  const targets = variables();
  const held = tf.memory().numTensors;
  sumRows(targets, rows);
  const expected = rows.reduce((sum, row) => sum.map((value, i) => value + row[i]!));
  expect(targets.flatMap((target) => [...target.dataSync()])).toEqual([...expected]);
  expect(rows.map((row) => [...row])).toEqual(before);
  expect(tf.memory().numTensors).toBe(held);
  tf.dispose(targets);
});

test('rows of another length are refused: the heap behind them is not theirs', () => {
  const targets = variables();
  for (const length of [LENGTH - 1, LENGTH + 1]) {
    expect(() => copyToRow(targets, new Float32Array(length))).toThrow(
      `A row of ${length} values for tensors of 24`,
    );
    expect(() => sumRows(targets, [randomRow(0), new Float32Array(length)])).toThrow('for tensors of 24');
  }
  expect(() => sumRows(targets, [])).toThrow('no rows');
  tf.dispose(targets);
});

test.each(['wasm', 'cpu'])('pairs are added each to its own target on %s', async (backend) => {
  await tf.setBackend(backend);
  onTestFinished(async () => void (await tf.setBackend('wasm')));
  const targets = SHAPES.map((shape, i) => tf.variable(tf.fill(shape, i)));
  const sources = SHAPES.map((shape, i) => tf.fill(shape, 10 * (i + 1)));
  const held = tf.memory().numTensors;
  addAllInPlace(targets.map((target, i) => [target, sources[i]!]));
  for (const [i, target] of targets.entries()) {
    expect([...target.dataSync()]).toEqual(Array<number>(target.size).fill(i + 10 * (i + 1)));
  }
  expect(() => addAllInPlace([[targets[0]!, sources[2]!]])).toThrow();
  expect(tf.memory().numTensors).toBe(held);
});
