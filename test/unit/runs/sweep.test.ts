import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openNamelessFile } from '../../../src/data/images/store-writer.js';
import { isTemporaryName, temporaryName } from '../../../src/runs/atomic.js';
import { createRun, prepareOut } from '../../../src/runs/run-folder.js';
import { isRunning, MACHINE_TAG } from '../../../src/system.js';
import { compileRecord } from './compiled-record.js';
import { freshFolder } from './fresh-folder.js';
import { documents, openRun, saveCheckpoint } from './sample-run.js';

const compiled = compileRecord();
afterAll(() => compiled.remove());

/** A process that has ended. */
const dead = () => spawnSync(process.execPath, ['-e', '']).pid;

/** Makes a run's folder and is killed before it is moved to its place, or with a checkpoint half-written. */
const KILLED = `
const { temporaryName, writeDurably } = await record('atomic');
const { mkdirSync, writeFileSync } = await import('node:fs');
const made = temporaryName(args[0] + '/run');
mkdirSync(made);
await writeDurably(made + '/config.json', '{}');
writeFileSync(temporaryName(args[1] + '/checkpoints/last.ckpt'), 'half');
process.kill(process.pid, 'SIGKILL');
`;

describe('what killed processes leave in a folder of runs', () => {
  it('is removed at the next start, and nothing else', async () => {
    const out = freshFolder();
    const run = await createRun(out, 'run', documents);
    await saveCheckpoint(run, 0);
    await run.close();
    await compiled.run(KILLED, [out, run.dir]).catch(() => undefined);
    const here = temporaryName(join(out, 'mine'));
    mkdirSync(here);
    const elsewhere = `.other.${dead()}-0123456701234567.tmp`;
    const old = `.old.${dead()}-01234567.tmp`;
    for (const name of [elsewhere, old, '.hidden']) mkdirSync(join(out, name));
    const left = readdirSync(out).filter((name) => name.startsWith('.run.'));
    expect(left).toHaveLength(1);
    expect(readdirSync(join(run.dir, 'checkpoints')).filter(isTemporaryName)).toHaveLength(1);
    await prepareOut(out);
    const kept = ['run', elsewhere, old, '.hidden', here.slice(out.length + 1)];
    expect(readdirSync(out).sort()).toEqual(kept.sort());
    expect(readdirSync(join(run.dir, 'checkpoints')).filter(isTemporaryName)).toEqual([]);
    await (await openRun(run.dir)).run.close();
  });

  it('is told from what runs', () => {
    expect(isRunning(process.pid)).toBe(true);
    expect(isRunning(dead())).toBe(false);
  });
});

it('a cache file whose folder outlived its process is removed when the next one is opened', () => {
  const dir = mkdtempSync(join(tmpdir(), 'sweep-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const others = [
    'onecycle-test-abc',
    `onecycle-${process.pid}-${MACHINE_TAG}-abcdef`,
    `onecycle-${dead()}-00000000-abcdef`,
  ];
  for (const name of [...others, `onecycle-${dead()}-${MACHINE_TAG}-abcdef`]) {
    mkdirSync(join(dir, name));
    writeFileSync(join(dir, name, 'cache'), '');
  }
  openNamelessFile(dir);
  expect(readdirSync(dir).sort()).toEqual(others.sort());
});
