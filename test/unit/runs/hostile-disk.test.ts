import { afterAll, describe, expect, it, onTestFinished, type TestContext } from 'vitest';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RunError, UsageError } from '../../../src/errors.js';
import { makeWholeFolder, writeFileAtomic } from '../../../src/runs/atomic.js';
import { encodeCheckpoint, readNewestCheckpoint } from '../../../src/runs/checkpoint.js';
import { RangeTestFolder } from '../../../src/runs/range-test-folder.js';
import { readRun } from '../../../src/runs/read-run.js';
import { createRun } from '../../../src/runs/run-folder.js';
import { compileRecord } from './compiled-record.js';
import { freshFolder } from './fresh-folder.js';
import { documents, openRun, saveCheckpoint, stepRecord } from './sample-run.js';

const isRoot = process.getuid?.() === 0;
const compiled = compileRecord();
afterAll(() => compiled.remove());

/** A file system of 1 MB of its own, or a skipped test where none can be had. */
function smallDisk(context: TestContext): string {
  if (!isRoot || process.platform !== 'linux')
    return context.skip('mounting a small disk needs root on Linux');
  const dir = freshFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir], { stdio: 'pipe' });
  } catch (error) {
    return context.skip(`mount is not allowed here: ${String(error)}`);
  }
  onTestFinished(() => void execFileSync('umount', ['-l', dir]));
  return dir;
}

/** Runs a script as a user who may write nowhere; root would be let through everywhere. */
async function asNobody(context: TestContext, script: string, dir: string): Promise<string> {
  if (!isRoot) return compiled.run(script, [dir]);
  if (!existsSync('/usr/bin/setpriv'))
    return context.skip('setpriv is missing, and root may write everywhere');
  return compiled.run(script, [dir], ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']);
}

const CREATE = `
const { createRun } = await record('run-folder');
const made = createRun(args[0], 'run', { config: {}, environment: {}, dataset: {} });
process.stdout.write(await made.then(() => 'made', (error) => error.name + ': ' + error.message));
`;
const OPEN = `
const { holdRun } = await record('run-folder');
process.stdout.write(await holdRun(args[0]).then((held) => held.open()).then(() => 'open', (error) => error.name + ': ' + error.message));
`;
/** Makes the checkpoints' folder read-only in the middle of a run. */
const DENIED_LATER = `
const { createRun } = await record('run-folder');
const { chmodSync } = await import('node:fs');
const run = await createRun(args[0], 'run', { config: {}, environment: {}, dataset: {} });
chmodSync(run.dir + '/checkpoints', 0o555);
const written = run.writeCheckpoint(new Uint8Array(10));
process.stdout.write(await written.then(() => 'written', (error) => error.name + ': ' + error.message));
chmodSync(run.dir + '/checkpoints', 0o755);
await run.close();
`;

describe('a folder that may not be written', () => {
  it('is refused at the start', async (context) => {
    const out = freshFolder();
    chmodSync(out, 0o555);
    const said = await asNobody(context, CREATE, out);
    expect(said).toBe(
      `UsageError: Could not write ${join(out, 'run')}: permission was denied (EACCES). Give a folder that you may write to with --out.`,
    );
    const deeper = await asNobody(context, CREATE, join(out, 'deeper'));
    expect(deeper).toMatch(/^UsageError: .*permission was denied/);
    expect(readdirSync(out)).toEqual([]);
  });

  it('is refused on resume', async (context) => {
    const out = freshFolder();
    chmodSync(out, 0o755);
    const run = await createRun(out, 'run', documents);
    await saveCheckpoint(run, 0);
    await run.close();
    chmodSync(run.dir, 0o555);
    const said = await asNobody(context, OPEN, run.dir);
    expect(said).toMatch(/^UsageError: Could not write .*permission was denied.*Make it writable/);
    chmodSync(run.dir, 0o755);
    expect(readdirSync(run.dir).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('fails a run in its middle', async (context) => {
    const out = freshFolder();
    chmodSync(out, 0o777);
    const said = await asNobody(context, DENIED_LATER, out);
    expect(said).toMatch(/^RunError: Could not write .*last\.ckpt: permission was denied \(EACCES\)/);
    expect(readdirSync(join(out, 'run', 'checkpoints'))).toEqual([]);
  });
});

describe('a full disk', () => {
  it('fails a checkpoint with what, where and what to do, and keeps the one before', async (context) => {
    const disk = smallDisk(context);
    const run = await createRun(disk, 'run', documents);
    const sized = (step: number, length: number) =>
      encodeCheckpoint({
        header: { step, offsets: { steps: 0, epochs: 0 } },
        tensors: new Map([['w', new Float32Array(length)]]),
      });
    await run.writeCheckpoint(sized(1, 50_000));
    const writing = run.writeCheckpoint(sized(2, 250_000));
    await expect(writing).rejects.toThrow(RunError);
    await expect(writing).rejects.toThrow(
      /last\.ckpt: no space is left on that device \(ENOSPC\)\. Free some space/,
    );
    expect(readdirSync(join(run.dir, 'checkpoints'))).toEqual(['last.ckpt']);
    expect((await readNewestCheckpoint(run.dir)).header).toMatchObject({ step: 1 });
    await run.close();
  });

  it('fails a range test and a report without --resume, which neither has', async (context) => {
    const disk = smallDisk(context);
    const test = await RangeTestFolder.create(disk, 'test', documents);
    const failures = [
      writeFileAtomic(join(disk, 'report.html'), new Uint8Array(2e6)),
      test.writeCharts({ svg: ' '.repeat(2e6), png: new Uint8Array() }),
      makeWholeFolder(join(disk, 'model'), { weights: new Uint8Array(2e6) }, '--to'),
      Promise.resolve().then(() => test.appendPoint({ text: ' '.repeat(2e6) } as never)),
    ];
    for (const failure of await Promise.allSettled(failures)) {
      const message = failure.status === 'rejected' ? String(failure.reason) : 'written';
      expect(message).toMatch(/RunError: .*\(ENOSPC\)\. Free some space there and start again/);
      expect(message).not.toContain('--resume');
    }
    await test.close().catch(() => undefined);
  });

  it('fails the lines, and writes them whole when there is space again', async (context) => {
    const disk = smallDisk(context);
    const run = await createRun(disk, 'run', documents);
    run.appendStep(stepRecord(0));
    await run.sync();
    const ballast = join(disk, 'ballast');
    try {
      for (let i = 0; ; i++) writeFileSync(`${ballast}-${i}`, new Uint8Array(4096));
    } catch {
      // Full to the last page, but for what is left of the lines' own.
    }
    let step = 1;
    const fill = () => {
      while (step < 2000) run.appendStep(stepRecord(step++));
    };
    expect(fill).toThrow(RunError);
    await expect(run.sync()).rejects.toThrow('steps.jsonl: no space is left');
    // Readers see the whole lines that fitted.
    const seen = (await readRun(run.dir)).steps;
    expect(seen).toEqual(seen.map((_, i) => stepRecord(i)));
    expect(seen.length).toBeLessThan(step);
    for (const name of readdirSync(disk)) if (name.startsWith('ballast')) rmSync(join(disk, name));
    await run.finish({ status: 'failed' });
    await run.close();
    const { steps } = await readRun(run.dir);
    expect(steps).toEqual(Array.from({ length: step }, (_, i) => stepRecord(i)));
  });

  it('fails the start without leaving a trace', async (context) => {
    const disk = smallDisk(context);
    const dataset = { files: ['x'.repeat(2_000_000)] };
    await expect(createRun(disk, 'run', { ...documents, dataset })).rejects.toThrow(RunError);
    expect(readdirSync(disk)).toEqual([]);
  });
});

describe('a disk that becomes read-only', () => {
  it('fails a run in its middle, and a new or resumed one at the start', async (context) => {
    const disk = smallDisk(context);
    mkdirSync(join(disk, 'out'));
    const run = await createRun(join(disk, 'out'), 'run', documents);
    await saveCheckpoint(run, 0);
    await run.close();
    const open = await createRun(join(disk, 'out'), 'run', documents);
    // An open file would keep the disk writable.
    await open.close();
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    await expect(open.writeCheckpoint(new Uint8Array(1))).rejects.toThrow(RunError);
    await expect(open.writeCheckpoint(new Uint8Array(1))).rejects.toThrow('file system is read-only (EROFS)');
    await expect(createRun(join(disk, 'out'), 'run', documents)).rejects.toThrow(UsageError);
    await expect(openRun(run.dir)).rejects.toThrow(UsageError);
    expect((await readRun(run.dir)).status).toBe('unfinished');
  });
});
