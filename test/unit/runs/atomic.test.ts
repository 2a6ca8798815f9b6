import { describe, expect, it } from 'vitest';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { RunError, UsageError } from '../../../src/errors.js';
import {
  explainWriteError,
  isTemporaryName,
  makeWholeFolder,
  temporaryName,
  writeFileAtomic,
} from '../../../src/runs/atomic.js';
import { freshFolder } from './fresh-folder.js';

describe('writeFileAtomic', () => {
  it('writes and replaces text and bytes, and leaves nothing else', async () => {
    const dir = freshFolder();
    const path = join(dir, 'file');
    await writeFileAtomic(path, 'bienenfleißig');
    expect(readFileSync(path, 'utf8')).toBe('bienenfleißig');
    await writeFileAtomic(path, Uint8Array.of(0, 255, 10));
    expect([...readFileSync(path)]).toEqual([0, 255, 10]);
    expect(readdirSync(dir)).toEqual(['file']);
  });

  it('keeps the one before under another name', async () => {
    const dir = freshFolder();
    const [path, previous] = [join(dir, 'last'), join(dir, 'previous')];
    for (const generation of ['1', '2', '3']) await writeFileAtomic(path, generation, { previous });
    expect(readFileSync(path, 'utf8')).toBe('3');
    expect(readFileSync(previous, 'utf8')).toBe('2');
  });

  it('removes its temporary file where the rename fails, and keeps what was there', async () => {
    const dir = freshFolder();
    mkdirSync(join(dir, 'taken'));
    writeFileSync(join(dir, 'taken', 'content'), '');
    await expect(writeFileAtomic(join(dir, 'taken'), 'x')).rejects.toThrow(RunError);
    expect(readdirSync(dir)).toEqual(['taken']);
    expect(readdirSync(join(dir, 'taken'))).toEqual(['content']);
  });

  it('says what a folder that is gone means at the start and in a run', async () => {
    const path = join(freshFolder(), 'gone', 'file');
    await expect(writeFileAtomic(path, 'x', { phase: 'start' })).rejects.toThrow(UsageError);
    await expect(writeFileAtomic(path, 'x')).rejects.toThrow(RunError);
    await expect(writeFileAtomic(path, 'x')).rejects.toThrow(
      `Could not write ${path}: its folder is not there (ENOENT)`,
    );
  });

  it('hides its temporary names and knows them again', () => {
    expect(basename(temporaryName('/a/b.json'))).toMatch(/^\.b\.json\./);
    expect(isTemporaryName(basename(temporaryName('/a/b.json')))).toBe(true);
    for (const name of ['b.json', '.lock', '.hidden.tmp', 'last.ckpt'])
      expect(isTemporaryName(name)).toBe(false);
  });
});

describe('explainWriteError', () => {
  const failure = (code: string) => Object.assign(new Error(`${code}: text`), { code, syscall: 'open' });

  it.each([
    ['ENOSPC', RunError, RunError, 'no space is left'],
    ['EDQUOT', RunError, RunError, 'quota'],
    ['EROFS', UsageError, RunError, 'read-only'],
    ['EACCES', UsageError, RunError, 'permission was denied'],
    ['EPERM', UsageError, RunError, 'permission was denied'],
    ['ENOENT', UsageError, RunError, 'its folder is not there'],
    ['ENOTDIR', UsageError, RunError, 'is a file, not a folder'],
    ['EIO', UsageError, RunError, 'EIO: text'],
  ])('%s', (code, atStart, inRun, words) => {
    const start = explainWriteError(failure(code), '/out/run', 'start');
    const run = explainWriteError(failure(code), '/out/run', 'run');
    expect(start).toBeInstanceOf(atStart);
    expect(run).toBeInstanceOf(inRun);
    for (const error of [start, run]) {
      expect(String(error)).toMatch(new RegExp(`Could not write /out/run: .*${words}`));
      expect(String(error)).toContain(`(${code})`);
    }
  });

  it('speaks of the run itself where it is resumed', () => {
    const resume = explainWriteError(failure('EACCES'), '/out/run', 'resume');
    expect(resume).toBeInstanceOf(UsageError);
    expect(String(resume)).not.toContain('--out');
    expect(explainWriteError(failure('ENOSPC'), '/out/run', 'resume')).toBeInstanceOf(RunError);
  });

  it.each(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'ENOENT', 'ENOTDIR', 'EIO'])(
    '%s names --resume only where a training run can go on',
    (code) => {
      const said = (['start', 'once', 'resume', 'run'] as const).map((phase) =>
        String(explainWriteError(failure(code), '/out/run', phase)),
      );
      expect(said.map((text) => text.includes('--resume'))).toEqual([false, false, true, true]);
      for (const text of said) expect(text).toMatch(/\. .+\.$/);
      expect(explainWriteError(failure(code), '/out/run', 'once')).toBeInstanceOf(RunError);
    },
  );

  it('tells how to go on after a full disk', () => {
    const [once, run] = (['once', 'run'] as const).map((phase) =>
      String(explainWriteError(failure('ENOSPC'), '/out/run', phase)),
    );
    expect(once).toMatch(/Free some space there and start again; what was written before is whole\.$/);
    expect(run).toMatch(/there and go on with --resume, or start again; what was written before is whole\.$/);
  });

  it('hands on what is no error of the system', () => {
    const bug = new TypeError('x');
    expect(explainWriteError(bug, '/out', 'run')).toBe(bug);
    // Node's own argument errors have a code, too, and are bugs.
    const argument = Object.assign(new TypeError('x'), { code: 'ERR_INVALID_ARG_TYPE' });
    expect(explainWriteError(argument, '/out', 'run')).toBe(argument);
  });
});

describe('makeWholeFolder', () => {
  it('writes files and those in folders, and makes what is missing above', async () => {
    const dir = freshFolder();
    await makeWholeFolder(join(dir, 'a', 'b'), { one: 'text', 'c/two': Uint8Array.of(1, 2) }, '--to');
    expect(readdirSync(dir)).toEqual(['a']);
    expect(readdirSync(join(dir, 'a', 'b'), { recursive: true }).sort()).toEqual(['c', 'c/two', 'one']);
    expect([...readFileSync(join(dir, 'a', 'b', 'c', 'two'))]).toEqual([1, 2]);
  });

  it('leaves nothing behind where a file cannot be written', async () => {
    const dir = freshFolder();
    const files = { first: 'x', ['n'.repeat(300)]: 'too long a name' };
    await expect(makeWholeFolder(join(dir, 'made'), files, '--to')).rejects.toThrow(UsageError);
    expect(readdirSync(dir)).toEqual([]);
  });

  it('never replaces a file, a link or a folder with something in it', async () => {
    const dir = freshFolder();
    writeFileSync(join(dir, 'file'), 'mine');
    symlinkSync('nowhere', join(dir, 'link'));
    mkdirSync(join(dir, 'full', 'inner'), { recursive: true });
    for (const name of ['file', 'link', 'full']) {
      const made = makeWholeFolder(join(dir, name), { one: '' }, '--to');
      await expect(made).rejects.toThrow(/is there already, and nothing is overwritten.*--to\.$/);
    }
    expect(readFileSync(join(dir, 'file'), 'utf8')).toBe('mine');
    expect(readlinkSync(join(dir, 'link'))).toBe('nowhere');
    expect(readdirSync(dir).sort()).toEqual(['file', 'full', 'link']);
  });
});
