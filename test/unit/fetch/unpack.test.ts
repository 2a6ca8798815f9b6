import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RunError } from '../../../src/errors.js';
import { readArchive, writeInside } from '../../../src/fetch/unpack.js';
import { tarOf, zipOf } from './archives.js';

function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), 'onecycle-unpack-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** What an archive holds, as it is read here. */
async function contents(archive: Buffer, name = 'archive') {
  const dir = scratch();
  const path = join(dir, name);
  writeFileSync(path, archive);
  const found: [string, string][] = [];
  const read = readArchive(
    path,
    async ({ name: entry, read: content }) => void found.push([entry, String(await content())]),
    { signal: new AbortController().signal },
  );
  return read.then(
    () => found,
    (error: unknown) => ({ error: error as Error, found, path }),
  );
}

const FILES = [
  ['top/a/1.txt', 'one'],
  ['top/b/2.txt', 'two'],
  [`top/b/${'long/'.repeat(30)}3.txt`, ''],
] as const;

describe('an archive', () => {
  it.each([
    ['tar.gz', gzipSync(tarOf(FILES))],
    ['tar', tarOf(FILES)],
    ['zip', zipOf(FILES)],
  ])('is read file by file: %s', async (_, archive) => {
    expect(await contents(archive)).toEqual(FILES);
  });

  it('is read as GNU tar and zip make them', async () => {
    const dir = scratch();
    mkdirSync(join(dir, 'top', 'a'), { recursive: true });
    writeFileSync(join(dir, 'top', 'a', 'ä.txt'), 'one');
    execFileSync('tar', ['-czf', 'made.tgz', 'top'], { cwd: dir });
    expect(await contents(readFileSync(join(dir, 'made.tgz')))).toEqual([['top/a/ä.txt', 'one']]);
  });

  it('of many files is read at the pace of its reader, and what is not read is passed over', async () => {
    const dir = scratch();
    const path = join(dir, 'many.tgz');
    const many = Array.from({ length: 500 }, (_, i) => [`f/${i}`, String(i).repeat(1000)] as const);
    writeFileSync(path, gzipSync(tarOf(many)));
    let open = 0;
    let most = 0;
    let read = 0;
    await readArchive(
      path,
      async (entry) => {
        most = Math.max(most, ++open);
        if (Number(entry.name.slice(2)) % 2 === 1) read += (await entry.read()).length;
        await new Promise(setImmediate);
        open--;
      },
      { signal: new AbortController().signal },
    );
    expect(most).toBe(1);
    expect(read).toBe(many.filter((_, i) => i % 2 === 1).reduce((sum, [, text]) => sum + text.length, 0));
  });
});

describe('an archive that would do harm', () => {
  it.each(['../out.txt', '/tmp/out.txt', 'a/../../out.txt', 'C:\\out.txt', 'a\\..\\..\\out.txt'])(
    'is refused for the name %s',
    async (name) => {
      for (const archive of [
        gzipSync(
          tarOf([
            ['fine.txt', 'x'],
            [name, 'harmless'],
          ]),
        ),
        zipOf([
          ['fine.txt', 'x'],
          [name, 'harmless'],
        ]),
      ]) {
        // The zip reader takes a backslash for a slash.
        const shown = archive.subarray(0, 2).toString() === 'PK' ? name.replaceAll('\\', '/') : name;
        const { error, path } = (await contents(archive)) as { error: Error; path: string };
        expect(error).toBeInstanceOf(RunError);
        expect(error.message).toBe(
          `${path} cannot be unpacked: the name ${shown} in it leads out of the folder it is unpacked into. Nothing of it was kept. Remove it and start again: it is downloaded anew.`,
        );
      }
    },
  );

  it('is refused for a link that is to be read, whatever it leads to', async () => {
    const dir = scratch();
    mkdirSync(join(dir, 'top'));
    symlinkSync('/etc/hostname', join(dir, 'top', 'link'));
    execFileSync('tar', ['-cf', 'made.tar', 'top'], { cwd: dir });
    const tar = (await contents(readFileSync(join(dir, 'made.tar')))) as { error: Error };
    expect(tar.error.message).toContain('top/link in it is no file, but of the kind SymbolicLink');
    const zip = (await contents(zipOf([['top/link', '/etc/hostname']], { mode: 0o120777 }))) as {
      error: Error;
    };
    expect(zip.error.message).toContain('top/link in it is no file, but a link');
  });

  it('cannot write outside of the folder even if it came so far, nor through a link', async () => {
    const dir = scratch();
    mkdirSync(join(dir, 'in'));
    await expect(writeInside(join(dir, 'in'), '../out.txt', Buffer.from('x'))).rejects.toThrow(
      'leads out of',
    );
    await expect(writeInside(join(dir, 'in'), '/out.txt', Buffer.from('x'))).rejects.toThrow('leads out of');
    symlinkSync(join(dir, 'out.txt'), join(dir, 'in', 'link'));
    await expect(writeInside(join(dir, 'in'), 'link', Buffer.from('x'))).rejects.toThrow('EEXIST');
    expect(existsSync(join(dir, 'out.txt'))).toBe(false);
  });

  it.each([
    [
      'a file larger than any image',
      tarOf([['big', '']], { size: 600e6 }),
      'big in it has 600000000 bytes, and at most 500000000 are taken',
    ],
    [
      'a tar.gz that was cut off',
      gzipSync(tarOf(FILES)).subarray(0, 150),
      'it is damaged: unexpected end of file',
    ],
    ['a tar that was cut off', tarOf(FILES).subarray(0, 700), 'it is damaged: Truncated input'],
    ['a zip that was cut off', zipOf(FILES).subarray(0, 100), 'it is damaged: '],
    ['something else', Buffer.alloc(4000, 'no archive '), 'it is damaged: '],
    ['nothing', Buffer.alloc(0), 'it is damaged: '],
  ])('is refused for %s', async (_, archive, reason) => {
    const { error } = (await contents(archive)) as { error: Error };
    expect(error).toBeInstanceOf(RunError);
    expect(error.message).toContain(` cannot be unpacked: ${reason}`);
  });
});
