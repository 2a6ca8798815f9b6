import { expect, test } from 'vitest';
import { readFileSync } from 'node:fs';

/** Ids of the sections of a wasm module (core specification 2.0, 5.5.2): id, LEB128 length, contents. */
function sectionIds(bytes: Buffer): number[] {
  const ids: number[] = [];
  for (let at = 8; at < bytes.length;) {
    ids.push(bytes[at++]!);
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    at += length;
  }
  return ids;
}

test.each(['kernels.wasm', 'kernels-fused.wasm'])(
  '%s owns no memory that could overwrite the heap it works on',
  (name) => {
    // 1 types, 2 imports, 3 functions, 7 exports, 10 code, 0 names. Not there: 5 a memory of its own, 6 globals (a stack
    // pointer would be one), 8 a start function, 11 data.
    const file = new URL(`../../../dist/engine/wasm/${name}`, import.meta.url);
    const ids = new Set(sectionIds(readFileSync(file)));
    for (const id of [5, 6, 8, 11]) expect(ids).not.toContain(id);
    expect(ids).toContain(10);
  },
);
