import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHash } from 'node:crypto';
import { decodeCheckpoint, encodeCheckpoint } from '../../../src/runs/checkpoint.js';
import type { JsonValue } from '../../../src/runs/json.js';

const header = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as JsonValue);
/** Any bits, so that NaNs with a payload and subnormal numbers are among them. */
const tensor = fc
  .uint32Array({ maxLength: 20 })
  .map((bits) => new Float32Array(Uint32Array.from(bits).buffer));
const checkpoints = fc.record({
  header,
  tensors: fc
    .array(fc.tuple(fc.string({ unit: 'binary' }), tensor), { maxLength: 4 })
    .map((list) => new Map(list)),
});
const bitsOf = (values: Float32Array) => [
  ...new Uint32Array(values.buffer, values.byteOffset, values.length),
];

/** Replaces the checksum by one that fits: damage by a program, not by a disk. */
function resealed(bytes: Uint8Array): Uint8Array {
  const body = bytes.slice(0, -32);
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}

const small = encodeCheckpoint({ header: { step: 3 }, tensors: new Map([['w', Float32Array.of(1, -2)]]) });

describe('checkpoint container', () => {
  it('comes back to the last bit, in order, wherever it lies in memory', () => {
    fc.assert(
      fc.property(checkpoints, fc.nat(7), (checkpoint, shift) => {
        const bytes = encodeCheckpoint(checkpoint);
        const shifted = new Uint8Array(bytes.length + shift).subarray(shift);
        shifted.set(bytes);
        const decoded = decodeCheckpoint(shifted);
        expect(decoded.header).toEqual(checkpoint.header);
        expect([...decoded.tensors.keys()]).toEqual([...checkpoint.tensors.keys()]);
        for (const [name, values] of checkpoint.tensors) {
          expect(bitsOf(decoded.tensors.get(name)!)).toEqual(bitsOf(values));
        }
      }),
    );
  });

  it('is the same in the memory of an earlier one, which it takes where it fits', () => {
    const checkpoint = (text: string, ...values: number[]) => ({
      header: { text },
      tensors: new Map([['w', Float32Array.from(values)]]),
    });
    const short = checkpoint('', 4, 5);
    const fresh = encodeCheckpoint(short);
    const spare = encodeCheckpoint(checkpoint('a longer header', 1, 2, 3)).buffer;
    const reused = encodeCheckpoint(short, spare);
    expect(reused.buffer).toBe(spare);
    expect(reused).toEqual(fresh);
    const tooSmall = new ArrayBuffer(fresh.length - 1);
    expect(encodeCheckpoint(short, tooSmall)).toEqual(fresh);
  });

  it('packs a view of a larger buffer as the view alone', () => {
    const view = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
    const { tensors } = decodeCheckpoint(encodeCheckpoint({ header: null, tensors: new Map([['w', view]]) }));
    expect([...tensors.get('w')!]).toEqual([1, 2]);
  });

  it('has the layout that its description says', () => {
    const json = '{"header":{"step":3},"tensors":[{"name":"w","length":2}]}';
    const length = 24 + json.length + 8 + 32;
    const body = Buffer.alloc(length - 32);
    body.set([0x89, 0x4f, 0x4e, 0x45, 0x43, 0x59, 0x43, 0x0a]);
    body.writeUInt32LE(1, 8);
    body.writeUInt32LE(json.length, 12);
    body.writeUInt32LE(length, 16);
    body.write(json, 24);
    body.writeFloatLE(1, 24 + json.length);
    body.writeFloatLE(-2, 28 + json.length);
    expect(Buffer.from(small).equals(resealed(Buffer.concat([body, Buffer.alloc(32)])))).toBe(true);
  });

  it('notices any changed byte', () => {
    fc.assert(
      fc.property(checkpoints, fc.nat(), fc.integer({ min: 1, max: 255 }), (checkpoint, where, flip) => {
        const bytes = encodeCheckpoint(checkpoint);
        const at = where % bytes.length;
        bytes[at] = bytes[at]! ^ flip;
        expect(() => decodeCheckpoint(bytes)).toThrow(Error);
      }),
      { numRuns: 500 },
    );
  });

  it('notices a cut at every byte, and bytes too many', () => {
    for (let length = 0; length < small.length; length++) {
      expect(() => decodeCheckpoint(small.slice(0, length))).toThrow(/cut short|expected a length of/);
    }
    expect(() => decodeCheckpoint(Buffer.concat([small, Buffer.alloc(1)]))).toThrow('expected a length of');
  });

  it('says what is damaged', () => {
    const changed = (at: number, byte: number) => {
      const copy = small.slice();
      copy[at] = byte;
      return copy;
    };
    expect(() => decodeCheckpoint(changed(0, 0))).toThrow('first bytes');
    expect(() => decodeCheckpoint(changed(8, 2))).toThrow('checksum');
    expect(() => decodeCheckpoint(resealed(changed(8, 2)))).toThrow('expected version 1 but received 2');
    expect(() => decodeCheckpoint(resealed(changed(12, 255)))).toThrow('header is longer');
    expect(() => decodeCheckpoint(resealed(changed(24, 0)))).toThrow('no JSON');
    // The digit of "length":2
    const digit = Buffer.from(small).indexOf('"length":2') + '"length":'.length;
    expect(() => decodeCheckpoint(resealed(changed(digit, 0x33)))).toThrow('expected 12 bytes of tensors');
  });

  it('refuses a state that JSON would change', () => {
    expect(() => encodeCheckpoint({ header: { loss: NaN }, tensors: new Map() })).toThrow(RangeError);
  });
});
