import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { appendFileSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RunError, UsageError } from '../../../src/errors.js';
import type { JsonObject } from '../../../src/runs/json.js';
import { JsonlWriter, readJsonl, truncateTo } from '../../../src/runs/jsonl.js';
import { freshFolder } from './fresh-folder.js';

const documents = fc.array(
  fc
    .dictionary(fc.string({ unit: 'binary' }), fc.jsonValue())
    .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject),
);

function emptyFile(): string {
  const path = join(freshFolder(), 'lines.jsonl');
  writeFileSync(path, '');
  return path;
}

describe('JsonlWriter and readJsonl', () => {
  it('come back equal, line breaks and all of Unicode included', async () => {
    const path = emptyFile();
    await fc.assert(
      fc.asyncProperty(documents, async (lines) => {
        truncateSync(path);
        const writer = await JsonlWriter.open(path);
        for (const line of lines) writer.append(line);
        await writer.close();
        expect((await readJsonl(path)).records).toEqual(lines);
        expect(writer.offset).toBe(statSync(path).size);
      }),
      { numRuns: 40 },
    );
  });

  it('shows lines at a flush and counts them at a sync', async () => {
    const path = emptyFile();
    const writer = await JsonlWriter.open(path);
    writer.append({ a: 1 });
    expect(statSync(path).size).toBe(0);
    writer.flush();
    expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n');
    expect(writer.offset).toBe(0);
    expect(await writer.sync()).toBe(8);
    writer.append({ b: 'ä' });
    expect(writer.offset).toBe(8);
    // {"b":"ä"} is 10 bytes of UTF-8, the line break one more.
    expect(await writer.sync()).toBe(8 + 11);
    await writer.close();
  });

  it('ends at what a power cut has garbled behind the lines that a checkpoint counts on', async () => {
    const path = emptyFile();
    const whole = '{"a":1}\n{"a":2}\n';
    writeFileSync(path, `${whole}${'\0'.repeat(4096)}\n{"a":4}\n`);
    expect(await readJsonl(path, whole.length)).toMatchObject({
      records: [{ a: 1 }, { a: 2 }],
      bytes: whole.length,
    });
    await expect(readJsonl(path)).rejects.toThrow(/line 3, is damaged|line 3/u);
    await expect(readJsonl(path, whole.length + 1)).rejects.toThrow(UsageError);
  });

  it('holds no more than 64 KiB back', async () => {
    const path = emptyFile();
    const writer = await JsonlWriter.open(path);
    for (let i = 0; i < 70; i++) writer.append({ text: 'x'.repeat(1000) });
    expect(statSync(path).size).toBeGreaterThan(64 * 1024);
    await writer.close();
    expect((await readJsonl(path)).records).toHaveLength(70);
  });

  it('writes nothing of a line that it refuses', async () => {
    const path = emptyFile();
    const writer = await JsonlWriter.open(path);
    writer.append({ loss: 1 });
    expect(() => writer.append({ loss: NaN })).toThrow(RangeError);
    writer.append({ loss: null });
    await writer.close();
    expect((await readJsonl(path)).records).toEqual([{ loss: 1 }, { loss: null }]);
  });

  it('notices that its file was removed', async () => {
    const path = emptyFile();
    const writer = await JsonlWriter.open(path);
    writer.append({ a: 1 });
    rmSync(path);
    await expect(writer.sync()).rejects.toThrow(RunError);
    await expect(writer.close()).rejects.toThrow('removed while the run was going on');
  });
});

describe('readJsonl', () => {
  it('leaves out a last line torn at any byte', async () => {
    const path = emptyFile();
    const whole = Buffer.from('{"a":1}\n{"ü":"\u{1f41d}"}\n{"b":{"c":[2,3]}}\n');
    const lines = [{ a: 1 }, { ü: '\u{1f41d}' }, { b: { c: [2, 3] } }];
    const breaks = [...whole.keys()].filter((i) => whole[i] === 0x0a);
    for (let length = 0; length <= whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      const count = breaks.filter((i) => i < length).length;
      expect((await readJsonl(path)).records).toEqual(lines.slice(0, count));
    }
  });

  it('leaves out a tail of zeros, as a power cut leaves it', async () => {
    const path = emptyFile();
    writeFileSync(path, Buffer.concat([Buffer.from('{"a":1}\n'), Buffer.alloc(100)]));
    expect((await readJsonl(path)).records).toEqual([{ a: 1 }]);
  });

  it.each([
    ['no JSON', '{"a":1'],
    ['no object', '12'],
    ['an empty line', ''],
    ['a zero byte', '{"a":\0}'],
    ['damaged UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ])('names file and line of a damaged one in the middle: %s', async (_, line) => {
    const path = emptyFile();
    writeFileSync(
      path,
      Buffer.concat([Buffer.from('{"a":1}\n'), Buffer.from(line), Buffer.from('\n{"b":2}\n')]),
    );
    const reading = readJsonl(path);
    await expect(reading).rejects.toThrow(UsageError);
    await expect(reading).rejects.toThrow(`${path}, line 2, is damaged`);
  });

  it('names a file that is not there', async () => {
    const path = join(freshFolder(), 'none.jsonl');
    await expect(readJsonl(path)).rejects.toThrow(`Could not read ${path}: it is not there`);
  });
});

describe('truncateTo', () => {
  it('cuts back to the end of any line, so that a writer goes on there', async () => {
    const path = emptyFile();
    const lines = ['{"a":1}\n', '{"a":22}\n', '{"a":333}\n'];
    for (let keep = 0; keep <= lines.length; keep++) {
      writeFileSync(path, lines.join(''));
      appendFileSync(path, '{"torn":');
      await truncateTo(path, lines.slice(0, keep).join('').length);
      const writer = await JsonlWriter.open(path);
      writer.append({ next: keep });
      await writer.close();
      expect(readFileSync(path, 'utf8')).toBe(`${lines.slice(0, keep).join('')}{"next":${keep}}\n`);
    }
  });

  it.each([3, 7, 9, 100])('refuses an offset where no line ends: %i', async (offset) => {
    const path = emptyFile();
    writeFileSync(path, '{"a":1}\n');
    await expect(truncateTo(path, offset)).rejects.toThrow(UsageError);
    expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n');
  });
});
