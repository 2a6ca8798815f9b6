import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UsageError } from '../../../src/errors.js';
import { cachedBytes, cacheLimit, computedFolder, ValueCache } from '../../../src/fetch/value-cache.js';
import { MACHINE_TAG } from '../../../src/system.js';

const CONDITIONS = { size: 40 };
const keyOf = (i: number) => createHash('sha256').update(`key ${i}`).digest();
const valueOf = (i: number, length = 100 + i) => new Uint8Array(length).fill(i);

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'value-cache-'));
  vi.stubEnv('ONECYCLE_CACHE', folder);
  vi.stubEnv('ONECYCLE_CACHE_SIZE', '1M');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** What a command does that puts in some values. */
async function putIn(
  numbers: readonly number[],
  { conditions = CONDITIONS as object, length = undefined as number | undefined } = {},
) {
  const cache = (await ValueCache.open('things', conditions as never))!;
  for (const i of numbers) cache.put(keyOf(i), valueOf(i, length));
  cache.close();
}

/** Which of these values another command finds. */
async function found(
  numbers: readonly number[],
  { conditions = CONDITIONS as object, length = undefined as number | undefined } = {},
) {
  const cache = (await ValueCache.open('things', conditions as never))!;
  const there = numbers.filter((i) => {
    const value = cache.get(keyOf(i));
    if (value !== undefined) expect(Buffer.compare(value, valueOf(i, length))).toBe(0);
    return value !== undefined;
  });
  cache.close();
  return there;
}

/** The packs, the oldest first. */
function packs(): string[] {
  const folders = existsSync(computedFolder()) ? readdirSync(computedFolder()) : [];
  const files = folders.flatMap((name) =>
    readdirSync(join(computedFolder(), name)).map((file) => join(computedFolder(), name, file)),
  );
  return files.sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs);
}

function setAge(file: string, seconds: number): void {
  const time = Date.now() / 1000 - seconds;
  utimesSync(file, time, time);
}

describe('a cache of values', () => {
  it('gives a later command what an earlier one put in, and to others nothing', async () => {
    const numbers = Array.from({ length: 300 }, (_, i) => i);
    await putIn(numbers.slice(0, 200));
    await putIn(numbers.slice(200, 299));
    expect(packs()).toHaveLength(2);
    expect(await found(numbers)).toEqual(numbers.slice(0, 299));
    expect(await found(numbers, { conditions: { size: 48 } })).toEqual([]);
    const other = (await ValueCache.open('others', CONDITIONS))!;
    expect(other.get(keyOf(0))).toBeUndefined();
    other.close();
    expect(other.get(keyOf(0))).toBeUndefined();
  });

  it('holds values longer than what is written at a time, and empty ones', async () => {
    await putIn([1, 2], { length: 3e5 });
    await putIn([3], { length: 0 });
    expect(await found([1, 2], { length: 3e5 })).toEqual([1, 2]);
    expect(await found([3], { length: 0 })).toEqual([3]);
  });

  it('keeps one value of a key', async () => {
    await putIn([5, 5, 5]);
    expect(cachedBytes()).toBeLessThan(2 * valueOf(5).length + 200);
    expect(await found([5])).toEqual([5]);
  });

  it('leaves no file where nothing was put in', async () => {
    await putIn([]);
    expect(packs()).toEqual([]);
  });

  it('never believes damage, wherever it is', async () => {
    await putIn([0, 1, 2]);
    const [pack = ''] = packs();
    const whole = readFileSync(pack);
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 0x10;
      writeFileSync(pack, damaged);
      // `found` expects what it gets to be right.
      expect((await found([0, 1, 2])).length).toBeLessThan(3);
      expect(existsSync(pack)).toBe(false);
    }
    for (const length of [0, 1, 55, 56, whole.length - 1]) {
      writeFileSync(pack, whole.subarray(0, length));
      expect(await found([0, 1, 2])).toEqual([]);
      expect(existsSync(pack)).toBe(false);
    }
    writeFileSync(pack, whole);
    expect(await found([0, 1, 2])).toEqual([0, 1, 2]);
  });

  it('removes what has not been used for longest', async () => {
    for (const i of [1, 2, 3, 4]) {
      await putIn([i], { length: 3e5 - 200, conditions: { i } });
      for (const file of packs()) setAge(file, (Date.now() - statSync(file).mtimeMs) / 1000 + 100);
      // It is used again and again.
      expect(await found([1], { length: 3e5 - 200, conditions: { i: 1 } })).toEqual([1]);
    }
    const left = [];
    for (const i of [1, 2, 3, 4]) left.push(...(await found([i], { length: 3e5 - 200, conditions: { i } })));
    expect(left).toEqual([1, 3, 4]);
    expect(cachedBytes()).toBeLessThanOrEqual(1e6);
  });

  it('does not push out what the same command uses', async () => {
    await putIn([1, 2], { length: 4e5 });
    const cache = (await ValueCache.open('things', CONDITIONS))!;
    expect(cache.get(keyOf(1))).toBeDefined();
    cache.put(keyOf(3), valueOf(3, 4e5));
    cache.close();
    expect(await found([1, 2, 3], { length: 4e5 })).toEqual([1, 2]);
  });

  it('lets processes write at the same time', async () => {
    const [one, two] = [
      (await ValueCache.open('things', CONDITIONS))!,
      (await ValueCache.open('things', CONDITIONS))!,
    ];
    one.put(keyOf(1), valueOf(1));
    two.put(keyOf(1), valueOf(1));
    two.put(keyOf(2), valueOf(2));
    expect(await found([1, 2])).toEqual([]);
    one.close();
    expect(await found([1, 2])).toEqual([1]);
    two.close();
    expect(await found([1, 2])).toEqual([1, 2]);
  });

  it('may be deleted at any time', async () => {
    await putIn([1]);
    const cache = (await ValueCache.open('things', CONDITIONS))!;
    cache.put(keyOf(2), valueOf(2));
    rmSync(folder, { recursive: true });
    cache.put(keyOf(3), valueOf(3));
    cache.close();
    expect(await found([1, 2, 3])).toEqual([]);
    await putIn([4]);
    expect(await found([4])).toEqual([4]);
  });

  it('removes what a killed process left, and nothing of one that runs', async () => {
    await putIn([1]);
    const inside = join(packs()[0] ?? '', '..');
    const left = join(inside, `.999999999-${MACHINE_TAG}0a1b2c3d.tmp`);
    const running = join(inside, `.${process.pid}-${MACHINE_TAG}0a1b2c3d.tmp`);
    const elsewhere = join(inside, '.999999999-ffffffff0a1b2c3d.tmp');
    const abandoned = join(inside, '.999999998-ffffffff0a1b2c3d.tmp');
    for (const file of [left, running, elsewhere, abandoned]) writeFileSync(file, 'half');
    setAge(abandoned, 2 * 24 * 3600);
    await putIn([2]);
    expect([left, running, elsewhere, abandoned].map((file) => existsSync(file))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('is none where the user wants none, or where it cannot be', async () => {
    vi.stubEnv('ONECYCLE_CACHE_SIZE', '0');
    expect(await ValueCache.open('things', CONDITIONS)).toBeUndefined();
    expect(existsSync(computedFolder())).toBe(false);
    vi.stubEnv('ONECYCLE_CACHE_SIZE', '');
    const file = join(folder, 'file');
    writeFileSync(file, '');
    for (const place of [file, '/proc/none']) {
      vi.stubEnv('ONECYCLE_CACHE', place);
      expect(await ValueCache.open('things', CONDITIONS)).toBeUndefined();
    }
  });

  it('takes a size in words, and refuses others', async () => {
    const limit = (text: string) => {
      vi.stubEnv('ONECYCLE_CACHE_SIZE', text);
      return cacheLimit();
    };
    expect(['123', '5K', '500M', '1.5g', '8GB', '0'].map(limit)).toEqual([123, 5e3, 5e8, 1.5e9, 8e9, 0]);
    expect(limit('')).toBeGreaterThan(0);
    expect(limit('')).toBeLessThanOrEqual(4e9);
    for (const text of ['much', '-1', '1X', '1e9', 'K']) expect(() => limit(text)).toThrow(UsageError);
    await expect(ValueCache.open('things', CONDITIONS)).rejects.toThrow(/ONECYCLE_CACHE_SIZE but received K/);
  });
});
