import { describe, expect, it } from 'vitest';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../../src/errors.js';
import { makeFolders } from '../../../src/files.js';
import { requireWritable } from '../../../src/runs/atomic.js';
import { createRun } from '../../../src/runs/run-folder.js';
import { freshFolder } from './fresh-folder.js';
import { documents } from './sample-run.js';

/** Places of Linux that take no folder, each with its own errno. */
const REFUSED = ['/proc/x', '/proc/x/y', '/proc/self/fd/x', '/dev/null/x', '/dev/null/x/y', '/sys/x'];

describe('makeFolders', () => {
  it('makes what is missing, also for several that ask at once, and leaves alone what is there', async () => {
    const dir = freshFolder();
    await Promise.all(Array.from({ length: 8 }, () => makeFolders(join(dir, 'a', 'b', 'c'))));
    writeFileSync(join(dir, 'a', 'b', 'c', 'file'), '');
    symlinkSync('a', join(dir, 'link'));
    await makeFolders(join(dir, 'link'));
    await makeFolders(join(dir, 'a', 'b', 'c'));
    await makeFolders('/');
    expect(readdirSync(join(dir, 'a', 'b', 'c'))).toEqual(['file']);
  });

  it('throws the errno where a file is in the way', async () => {
    const dir = freshFolder();
    writeFileSync(join(dir, 'file'), '');
    await expect(makeFolders(join(dir, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makeFolders(join(dir, 'file', 'a', 'b'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});

describe('requireWritable', () => {
  it('leaves no trace where it finds nothing wrong, also of folders that are yet to be made', async () => {
    const dir = freshFolder();
    await requireWritable(dir, '--out');
    await requireWritable(join(dir, 'a', 'b'), '--out');
    expect(readdirSync(dir)).toEqual([]);
  });

  it('refuses a file, naming the option', async () => {
    const dir = freshFolder();
    mkdirSync(join(dir, 'a'));
    writeFileSync(join(dir, 'a', 'file'), '');
    for (const path of ['file', 'file/x'].map((name) => join(dir, 'a', name))) {
      await expect(requireWritable(path, '--report')).rejects.toThrow(UsageError);
      await expect(requireWritable(path, '--report')).rejects.toThrow(
        `Could not write ${path}: a part of that path is a file, not a folder (ENOTDIR). Give a folder with --report.`,
      );
    }
  });
});

describe.runIf(process.platform === 'linux')('a place that takes no folders', () => {
  it.each(REFUSED)('%s is refused before and at the start of a run', async (out) => {
    await expect(requireWritable(out, '--out')).rejects.toThrow(UsageError);
    await expect(requireWritable(out, '--out')).rejects.toThrow(/^Could not write .* with --out\.$/);
    await expect(createRun(out, 'run', documents)).rejects.toThrow(UsageError);
    await expect(createRun(out, 'run', documents)).rejects.toThrow(/^Could not write .* with --out\.$/);
  });
});
