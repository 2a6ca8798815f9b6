import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { type Recorder, setRecorder } from '../../../src/engine/backends/replay.js';
import { Replays } from '../../../src/engine/tfjs/replays.js';

tf.enableProdMode();

const TWICE = (inputs: readonly tf.Tensor[]) => inputs.map((input) => tf.mul(input, 2));

/** Notes what is done with it; a recording does its work anew. */
function noting(log: string[]): Recorder {
  return {
    record(inputs, work) {
      const shapes = inputs.map(({ shape }) => shape.join('x')).join(' ');
      log.push(`record ${shapes}`);
      const recording = {
        replay: (next: readonly tf.Tensor[]) => {
          log.push(`replay ${shapes}`);
          return [...work(next)];
        },
        dispose: () => void log.push(`dispose ${shapes}`),
      };
      return { results: [...work(inputs)], recording };
    },
  };
}

beforeAll(async () => {
  await tf.setBackend('cpu');
});

test('without a recorder all work is done as it comes', () => {
  const replays = new Replays();
  for (let i = 0; i < 4; i++) {
    const [result] = tf.tidy(() => replays.run([tf.fill([3], i)], TWICE));
    expect([...result!.dataSync()]).toEqual([2 * i, 2 * i, 2 * i]);
  }
});

test('the second step of a shape is recorded, two shapes at most, and none outlives a change of place', () => {
  const log: string[] = [];
  setRecorder(tf.backend(), noting(log));
  const replays = new Replays();
  const run = (length: number) => {
    const [result] = tf.tidy(() => replays.run([tf.fill([length], length), tf.ones([2])], TWICE));
    expect([...result!.dataSync()]).toEqual(Array.from({ length }, () => 2 * length));
  };
  for (const length of [4, 4, 4, 3, 4, 3, 3, 5, 5, 5]) run(length);
  expect(log.splice(0)).toEqual(['record 4 2', 'replay 4 2', 'replay 4 2', 'record 3 2', 'replay 3 2']);
  replays.clear();
  expect(log.splice(0)).toEqual(['dispose 4 2', 'dispose 3 2']);
  for (const length of [4, 4, 4]) run(length);
  expect(log).toEqual(['record 4 2', 'replay 4 2']);
});
