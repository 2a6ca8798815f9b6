import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FileRefusal, readWholeFile, withFile } from '../../src/files.js';
import { freshFolder } from './runs/fresh-folder.js';

describe('readWholeFile', () => {
  it.each([0, 1, 100_000, 3_000_000])(
    'gives the bytes of a file of %d bytes, also through a link',
    async (length) => {
      const path = join(freshFolder(), 'file');
      const bytes = Buffer.alloc(length, 'abc');
      writeFileSync(path, bytes);
      symlinkSync('file', `${path}-link`);
      for (const name of [path, `${path}-link`])
        expect((await readWholeFile(name, 3_000_000)).equals(bytes)).toBe(true);
    },
  );

  it('reads no file that is larger, however little of it there is', async () => {
    const path = join(freshFolder(), 'file');
    writeFileSync(path, 'a');
    truncateSync(path, 1e12);
    await expect(readWholeFile(path, 1e9)).rejects.toThrow(
      'it has 1000000000000 bytes, and at most 1000000000 are read',
    );
  });

  it.runIf(process.platform === 'linux').each<[string, (path: string) => void, string]>([
    [
      'a pipe that nobody writes to',
      (path) => void execFileSync('mkfifo', [path]),
      'it is a pipe, not a file',
    ],
    ['a folder', (path) => mkdirSync(path), 'it is a folder, not a file'],
    ['a device', (path) => symlinkSync('/dev/zero', path), 'it is a device, not a file'],
  ])('refuses %s at once', async (_, make, reason) => {
    const path = join(freshFolder(), 'file');
    make(path);
    await expect(readWholeFile(path, 1000)).rejects.toThrow(FileRefusal);
    await expect(readWholeFile(path, 1000)).rejects.toThrow(reason);
  });

  it('refuses a socket', async () => {
    const path = join(freshFolder(), 'socket');
    const server = createServer().listen(path);
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    await expect(readWholeFile(path, 1000)).rejects.toThrow('it is a socket or a device, not a file');
  });

  it("passes the system's errors on, and takes no name that C would cut short", async () => {
    await expect(readWholeFile(join(freshFolder(), 'none'), 1000)).rejects.toThrow('ENOENT');
    await expect(readWholeFile('a\0b', 1000)).rejects.toThrow('its name holds a NUL character');
  });
});

it('withFile gives the size, and the first bytes into what the caller has', async () => {
  const path = join(freshFolder(), 'file');
  writeFileSync(path, '0123456789');
  const [size, length, text] = await withFile(path, 100, async (file) => {
    const target = Buffer.alloc(4);
    return [file.size, await file.readInto(target), target.toString()];
  });
  expect([size, length, text]).toEqual([10, 4, '0123']);
  expect(await withFile(path, 100, (file) => file.readInto(Buffer.alloc(20)))).toBe(10);
  expect(readFileSync(path, 'utf8')).toBe('0123456789');
});
