import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCheckpoint, encodeCheckpoint } from '../../../src/runs/checkpoint.js';
import { initialRunState, isSound, packCheckpoint, unpackCheckpoint } from '../../../src/train/run-state.js';

const replica = (...values: number[]) => ({
  weights: new Map([['head/kernel', Float32Array.from(values)]]),
  velocities: new Map([['head/kernel', Float32Array.from(values, (value) => -value)]]),
});

describe('a run’s checkpoint', () => {
  it('comes back from its bytes to the last bit of every probability', () => {
    const probability = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.record({ predicted: fc.nat(999), probability })), (predictions) => {
        const state = { ...initialRunState({ best: 0.1, badEpochs: 2 }), lossSum: 0.1 + 0.2 };
        const saved = { state, replica: replica(1, 1e-45, -0), predictions };
        const bytes = encodeCheckpoint(packCheckpoint(saved, { steps: 1, epochs: 2 }, {}));
        expect(unpackCheckpoint(decodeCheckpoint(bytes))).toEqual(saved);
      }),
    );
  });

  it('holds running statistics where there are some', () => {
    const statistics = new Map([['block/mean', Float32Array.of(1, -0, 1e-45)]]);
    const saved = {
      state: initialRunState(null),
      replica: { ...replica(1, 2), statistics },
      predictions: [],
    };
    const bytes = encodeCheckpoint(packCheckpoint(saved, { steps: 0, epochs: 0 }, {}));
    expect(unpackCheckpoint(decodeCheckpoint(bytes))).toEqual(saved);
  });

  it.each([
    [[1, -1], true],
    [[1, NaN], false],
  ])('of running statistics %j is sound: %s', (values, sound) => {
    const statistics = new Map([['block/variance', Float32Array.from(values)]]);
    expect(isSound({ ...replica(1), statistics })).toBe(sound);
  });

  it.each([
    [[0, -1, 3e38], true],
    [[0, NaN], false],
    [[Infinity, 1], false],
  ])('of weights %j is sound: %s', (values, sound) => expect(isSound(replica(...values))).toBe(sound));
});
