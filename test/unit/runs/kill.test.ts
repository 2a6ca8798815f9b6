import { afterAll, expect, it, onTestFinished } from 'vitest';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readNewestCheckpoint } from '../../../src/runs/checkpoint.js';
import { readRun } from '../../../src/runs/read-run.js';
import { createRun } from '../../../src/runs/run-folder.js';
import { compileRecord } from './compiled-record.js';
import { freshFolder } from './fresh-folder.js';
import { documents, openRun, saveCheckpoint, stepRecord } from './sample-run.js';

const KILLS = 20;

/** Goes on with a run: three lines, a checkpoint of 1 MB and a word that it is saved, again and again. */
const LOOP = `
const { holdRun } = await record('run-folder');
const { encodeCheckpoint } = await record('checkpoint');
const { open, checkpoint } = await holdRun(args[0]);
const run = await open();
let { step } = checkpoint.header;
const weights = new Float32Array(250_000);
for (;;) {
  for (let i = 0; i < 3; i++) run.appendStep({ step: step++, epoch: 1, learningRate: 1, momentum: 0.9, loss: 1 });
  weights.fill(step);
  const header = { step, offsets: await run.sync() };
  await run.writeCheckpoint(encodeCheckpoint({ header, tensors: new Map([['w', weights]]) }), { best: step % 2 === 0 });
  process.stdout.write(step + '\\n');
}
`;

const compiled = compileRecord();
afterAll(() => compiled.remove());

/** Lets a process write until a moment after its second word, kills it, and returns the last step it called saved. */
async function writeAndDie(dir: string, delay: number): Promise<number> {
  const child = compiled.spawn(LOOP, [dir]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  let lines = 0;
  const exit = once(child, 'exit');
  child.stdout!.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    if (lines < 2 && (lines = said.split('\n').length - 1) >= 2)
      setTimeout(() => child.kill('SIGKILL'), delay);
  });
  const [, signal] = (await exit) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
  const whole = said.slice(0, said.lastIndexOf('\n')).split('\n');
  return Number(whole.at(-1));
}

it(`loses nothing that was saved when it is killed ${KILLS} times`, async () => {
  const run = await createRun(freshFolder(), 'run', documents);
  await saveCheckpoint(run, 0);
  await run.close();
  for (let kill = 0; kill < KILLS; kill++) {
    // Spread over the few milliseconds that one checkpoint takes, whatever the disk.
    const saved = await writeAndDie(run.dir, (kill * 7) % 20);
    const { header, tensors } = await readNewestCheckpoint(run.dir);
    const { step, offsets } = header as unknown as { step: number; offsets: { steps: number } };
    expect(step).toBeGreaterThanOrEqual(saved);
    expect(new Set(tensors.get('w'))).toEqual(new Set([step]));
    // The lines that the checkpoint counts on are there, each once; there may be more after them.
    const lines = readFileSync(join(run.dir, 'steps.jsonl')).subarray(0, offsets.steps).toString();
    expect(lines.split('\n').length - 1).toBe(step);
    const { steps } = await readRun(run.dir);
    expect(steps.map((record) => record.step)).toEqual(Array.from(steps.keys()));
  }
  const { run: again, checkpoint } = await openRun(run.dir);
  const { step } = checkpoint.header as unknown as { step: number };
  again.appendStep({ ...stepRecord(step), epoch: 1 });
  await again.finish({ status: 'interrupted' });
  await again.close();
  expect((await readRun(run.dir)).steps).toHaveLength(step + 1);
  expect(readdirSync(join(run.dir, 'checkpoints')).filter((name) => name.startsWith('.'))).toEqual([]);
});
