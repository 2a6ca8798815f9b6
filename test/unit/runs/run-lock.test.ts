import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../../../src/errors.js';
import { readRun } from '../../../src/runs/read-run.js';
import { PROCESS_SPACE } from '../../../src/system.js';
import { createRun } from '../../../src/runs/run-folder.js';
import { compileRecord } from './compiled-record.js';
import { freshFolder } from './fresh-folder.js';
import { documents, openRun, saveCheckpoint } from './sample-run.js';

const compiled = compileRecord();
afterAll(() => compiled.remove());

/** Opens the run, says so, and keeps it until stdin ends. */
const HOLD = `
const { holdRun } = await record('run-folder');
const run = await (await holdRun(args[0])).open();
process.stdout.write('open');
process.stdin.resume().on('end', () => run.close());
`;

/** Waits for the starting shot, asks for the locks of all folders and says which it got. */
const RIVAL = `
const { lockRun } = await record('lock');
process.stdout.write('ready');
await new Promise((resolve) => process.stdin.once('data', resolve));
const won = [];
for (const dir of args) {
  await lockRun(dir).then(() => won.push(dir), (error) => { if (error.name !== 'InUseError') throw error; });
}
process.stdout.write(JSON.stringify(won));
process.stdin.resume();
`;

async function resumableRun(): Promise<string> {
  const run = await createRun(freshFolder(), 'run', documents);
  await saveCheckpoint(run, 0);
  await run.close();
  return run.dir;
}

/** Starts a process and waits for its first words. */
async function started(script: string, ...dirs: string[]): Promise<{ child: ChildProcess; said: string }> {
  const child = compiled.spawn(script, dirs);
  onTestFinished(() => void child.kill('SIGKILL'));
  const [chunk] = (await once(child.stdout!, 'data')) as [Buffer];
  return { child, said: chunk.toString() };
}

async function ended(child: ChildProcess, end: () => void): Promise<void> {
  const exit = once(child, 'exit');
  end();
  await exit;
}

const lockOf = (dir: string) => join(dir, '.lock');
const leaveLock = (dir: string, owner: object) => writeFileSync(lockOf(dir), JSON.stringify(owner));

describe('the lock of a run', () => {
  it('names the process that holds it, and is given back at its end', async () => {
    const dir = await resumableRun();
    const { child } = await started(HOLD, dir);
    const opening = openRun(dir);
    await expect(opening).rejects.toThrow(UsageError);
    await expect(opening).rejects.toThrow(
      `${dir} is in use by process ${child.pid} on ${hostname()} since 20`,
    );
    // Reading needs no lock and shows none.
    expect((await readRun(dir)).status).toBe('unfinished');
    await ended(child, () => child.stdin!.end());
    const { run, notes } = await openRun(dir);
    expect(notes).toEqual([]);
    await run.close();
    expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('is taken over from a killed process, with a note', async () => {
    const dir = await resumableRun();
    const { child } = await started(HOLD, dir);
    await ended(child, () => child.kill('SIGKILL'));
    expect(existsSync(lockOf(dir))).toBe(true);
    const { run, notes } = await openRun(dir);
    expect(notes).toEqual([expect.stringContaining(`Process ${child.pid} ended without closing`)]);
    expect(JSON.parse(readFileSync(lockOf(dir), 'utf8'))).toMatchObject({
      pid: process.pid,
      host: hostname(),
    });
    await run.close();
    expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('is won by one alone of several that find the same stale lock', async () => {
    const out = freshFolder();
    // No process has this number: Linux's largest is 2^22.
    const stale = { pid: 2 ** 22 + 1, host: hostname(), identity: null, since: '2026-01-01' };
    const dirs = Array.from({ length: 40 }, (_, i) => join(out, String(i)));
    for (const dir of dirs) {
      mkdirSync(dir);
      leaveLock(dir, stale);
    }
    const rivals = await Promise.all(Array.from({ length: 4 }, () => started(RIVAL, ...dirs)));
    const won = await Promise.all(
      rivals.map(async ({ child }) => {
        const answer = once(child.stdout!, 'data');
        child.stdin!.write('go');
        return JSON.parse(String(((await answer) as [Buffer])[0])) as string[];
      }),
    );
    expect(won.flat().sort()).toEqual([...dirs].sort());
    expect(dirs.map((dir) => readdirSync(dir))).toEqual(dirs.map(() => ['.lock']));
  });

  it('is left alone where it was taken in another container: its processes cannot be seen from here', async () => {
    const dir = await resumableRun();
    const ended = { pid: 2 ** 22 + 1, host: hostname(), identity: null, since: '2026-01-01' };
    leaveLock(dir, { ...ended, space: 'pid:[1]' });
    await expect(openRun(dir)).rejects.toThrow(/From this container it cannot be seen.*remove .*\.lock/u);
    leaveLock(dir, { ...ended, space: PROCESS_SPACE });
    await (await openRun(dir)).run.close();
  });

  it('is left to the process that is just taking it over', async () => {
    const dir = await resumableRun();
    leaveLock(dir, { pid: 2 ** 22 + 1, host: hostname(), identity: null, since: '2026-01-01' });
    writeFileSync(join(dir, '.lock.takeover'), '');
    await expect(openRun(dir)).rejects.toThrow(/being taken over.*remove .*\.lock\.takeover/);
  });

  it('is free where a process was killed while it took it over', async () => {
    const dir = await resumableRun();
    const dead = { pid: 2 ** 22 + 1, host: hostname(), identity: null, since: '2026-01-01' };
    leaveLock(dir, dead);
    writeFileSync(join(dir, '.lock.takeover'), JSON.stringify({ ...dead, pid: dead.pid + 1 }));
    const { run } = await openRun(dir);
    await run.close();
    expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('holds within one process, too', async () => {
    const run = await createRun(freshFolder(), 'run', documents);
    await saveCheckpoint(run, 0);
    await expect(openRun(run.dir)).rejects.toThrow(`in use by process ${process.pid}`);
    await run.close();
  });

  it.skipIf(process.platform !== 'linux')(
    'is stale where another process has got the number of the dead owner',
    async () => {
      const dir = await resumableRun();
      // This process's own number, but the start of another: as after a restart of a container.
      leaveLock(dir, { pid: process.pid, host: hostname(), identity: 'another-boot:1', since: '2026-01-01' });
      await openRun(dir).then(({ run }) => run.close());
    },
  );

  it('is respected where the owner gave no identity and its number is in use', async () => {
    const dir = await resumableRun();
    leaveLock(dir, { pid: process.pid, host: hostname(), identity: null, since: '2026-01-01' });
    await expect(openRun(dir)).rejects.toThrow('is in use by process');
  });

  it('of another machine is respected, with a word on how to remove it', async () => {
    const dir = await resumableRun();
    leaveLock(dir, { pid: 1, host: 'node-17.example', identity: null, since: '2026-01-01T00:00:00Z' });
    const opening = openRun(dir);
    await expect(opening).rejects.toThrow(
      'in use by process 1 on node-17.example since 2026-01-01T00:00:00Z',
    );
    await expect(opening).rejects.toThrow(`remove ${lockOf(dir)} and try again`);
    expect(existsSync(lockOf(dir))).toBe(true);
  });

  it.each(['', '{"pid":', '[]', '{"pid":-1,"host":"a","since":"b"}', '{"pid":"1","host":"a","since":"b"}'])(
    'that says nothing is respected: %j',
    async (text) => {
      const dir = await resumableRun();
      writeFileSync(lockOf(dir), text);
      await expect(openRun(dir)).rejects.toThrow(/does not say by whom.*remove .*\.lock/);
      expect(readFileSync(lockOf(dir), 'utf8')).toBe(text);
    },
  );

  it('of another is not given back', async () => {
    const run = await createRun(freshFolder(), 'run', documents);
    leaveLock(run.dir, { pid: 1, host: 'elsewhere', identity: null, since: '2026' });
    await run.close();
    expect(existsSync(lockOf(run.dir))).toBe(true);
  });
});
