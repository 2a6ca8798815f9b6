import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonText, type JsonValue, runKey } from '../../../src/runs/json.js';

/** Any JSON value; JSON has no -0. */
const json = fc
  .jsonValue({ noUnicodeString: false })
  .map((value) => JSON.parse(JSON.stringify(value)) as JsonValue);

describe('jsonText', () => {
  it('comes back equal', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(jsonText(value))).toEqual(value);
      }),
    );
  });

  it.each([
    [{ best: { validLoss: NaN } }, 'best.validLoss', 'NaN'],
    [[1, { a: [0, Infinity] }], '[1].a[1]', 'Infinity'],
    [-Infinity, 'the top', '-Infinity'],
  ])('refuses a number that would become null: %o', (value, place, number) => {
    expect(() => jsonText(value)).toThrow(RangeError);
    expect(() => jsonText(value)).toThrow(`at ${place} of a record but received ${number}`);
  });

  it('keeps a null that is given, and leaves out what is undefined', () => {
    expect(jsonText({ views: null, rest: undefined })).toBe('{"views":null}');
  });

  it.each([
    [{ a: new Map([[1, 2]]) }, 'Map'],
    [{ a: Float32Array.of(1) }, 'Float32Array'],
    [{ a: new Date(0) }, 'Date'],
    [{ a: () => 1 }, 'function'],
    [{ a: 1n }, 'bigint'],
    [{ a: [undefined] }, 'undefined'],
    [{ a: new Array(1) }, 'undefined'],
  ])('refuses what JSON would change: %o', (value, name) => {
    expect(() => jsonText(value)).toThrow(TypeError);
    expect(() => jsonText(value)).toThrow(name);
  });
});

describe('runKey', () => {
  it('is the SHA-256 of the canonical text', () => {
    // printf '{"10":1,"9":{"a":[true,null],"b":"ä"}}' | sha256sum
    expect(runKey({ 9: { b: 'ä', a: [true, null] }, 10: 1 })).toBe(
      '50c29f07fc847d0ed08fa8d402ac888a7a095b6cac66789efe21c885d7c0aba2',
    );
  });

  it('does not depend on the order of keys', () => {
    const reversed = (value: JsonValue): JsonValue => {
      if (typeof value !== 'object' || value === null) return value;
      if (Array.isArray(value)) return (value as JsonValue[]).map(reversed);
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, entry]) => [key, reversed(entry as JsonValue)]),
      );
    };
    fc.assert(
      fc.property(json, (value) => {
        expect(runKey(reversed(value))).toBe(runKey(value));
      }),
    );
  });

  it('tells different values apart', () => {
    const values: JsonValue[] = [
      { a: 1 },
      ['a', 1],
      [['a', 1]],
      { a: '1' },
      { a: [1] },
      {},
      [],
      null,
      'null',
      { a: null },
    ];
    expect(new Set(values.map(runKey)).size).toBe(values.length);
    expect(runKey([1, 2])).not.toBe(runKey([2, 1]));
    expect(() => runKey({ lr: NaN })).toThrow(RangeError);
  });
});
