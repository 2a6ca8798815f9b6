import { appendFileSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readRuns } from '../../../src/compare/read.js';
import { fairnessWarnings } from '../../../src/compare/fairness.js';
import type { GivenSettings } from '../../../src/config/check-settings.js';
import { InUseError, UsageError } from '../../../src/errors.js';
import { lockPath, lockRun } from '../../../src/runs/lock.js';
import { openResumable, planResume, resumeShared, resumeTraining } from '../../../src/train/resume.js';
import { trainRun } from '../../../src/train/run.js';
import { planTraining, train } from '../../../src/train/train.js';
import { wholeBench } from '../../../src/workbench/bench.js';
import { openWorkbench } from '../../../src/workbench/workbench.js';
import { type TinyHome, tinyHome, tinyRequest } from '../compare/tiny-comparison.js';

let tiny: TinyHome;
/** A run of two epochs of four steps that was stopped after its third step. */
let stopped: string;
/** The same run, never stopped. */
let whole: string;
beforeAll(async () => {
  tiny = await tinyHome({ train: 8, valid: 2 });
  whole = (await train(await tinyRequest(tiny, { epochs: 2, out: join(tiny.home, 'whole') }))).run;
  stopped = await trainUntil(3, 'stopped');
});
afterAll(() => tiny.remove());

/** Trains into a folder of `out` until so many steps are taken. */
async function trainUntil(steps: number, out: string): Promise<string> {
  const stop = new AbortController();
  const request = await tinyRequest(tiny, { epochs: 2 }, stop.signal);
  const { config } = await planTraining(request);
  // With all images there: a run that is stopped while they are decoded leaves nothing.
  const bench = await openWorkbench(request.settings, request);
  const context = {
    ...request,
    out: join(tiny.home, out),
    workers: 1,
    tensorboard: false,
    emit: stopAfter(steps, stop),
  };
  const { run, status } = await trainRun(wholeBench(bench), config, context);
  bench.close();
  expect(status).toBe('interrupted');
  return run;
}

const stopAfter =
  (steps: number, stop: AbortController): Awaited<ReturnType<typeof tinyRequest>>['emit'] =>
  (event) => {
    if (event.type === 'step' && event.record.step === steps - 1) stop.abort();
  };

let copies = 0;
const copyOf = (dir: string) => {
  const copy = join(tiny.home, `copy-${++copies}`, basename(dir));
  cpSync(dir, copy, { recursive: true });
  return copy;
};
const text = (...path: string[]) => readFileSync(join(...path), 'utf8');
const json = (...path: string[]) => JSON.parse(text(...path)) as Record<string, unknown>;

/** `train --resume DIR` with these options, computed in another environment where one is given. */
async function resume(dir: string, given: GivenSettings = {}, environment: object = {}) {
  const base = await tinyRequest(tiny, { epochs: 2, ...given });
  const request = {
    ...base,
    environment: { ...base.environment, ...environment },
    showPlan: () => undefined,
  };
  const run = await openResumable(dir, given);
  try {
    const document = await resumeTraining(run, request);
    return { document, notes: request.notes() };
  } finally {
    await run.held?.release();
  }
}

/** Goes on with a run in an environment, and stops it after so many steps; with all images there, as above. */
async function resumeUntil(dir: string, environment: object, until: number) {
  const stop = new AbortController();
  const base = await tinyRequest(tiny, { epochs: 2 }, stop.signal);
  const bench = await openWorkbench(base.settings, base);
  const emit = stopAfter(until, stop);
  const where = { out: tiny.home, workers: 1, tensorboard: false };
  const context = { ...base, ...where, emit, environment: { ...base.environment, ...environment } };
  const { status } = await resumeShared(dir, bench, context);
  bench.close();
  return status;
}

describe('a resume', () => {
  test('ends as the run that was never stopped, and gives the lock back', async () => {
    const dir = copyOf(stopped);
    const { document, notes } = await resume(dir);
    expect(document.status).toBe('completed');
    expect(notes).toEqual([]);
    expect(text(dir, 'steps.jsonl')).toBe(text(whole, 'steps.jsonl'));
    expect(existsSync(lockPath(dir))).toBe(false);
    expect(json(dir, 'environment.json')).not.toHaveProperty('history');
  });

  test('skips what cannot be used as the run did, and does not begin before that is known', async () => {
    const dir = copyOf(stopped);
    const { settings } = await tinyRequest(tiny, {});
    const broken = join(settings.data, 'train', 'ants', 'broken.png');
    writeFileSync(broken, 'no image');
    const { document, notes } = await resume(dir).finally(() => rmSync(broken));
    expect(document.status).toBe('completed');
    expect(notes.join('\n')).toContain('broken.png');
    expect(notes.join('\n')).not.toContain('starting again');
    expect(text(dir, 'steps.jsonl')).toBe(text(whole, 'steps.jsonl'));
  });

  test('that is interrupted while images are decoded leaves the run as it was', async () => {
    const dir = copyOf(stopped);
    const files = ['config.json', 'environment.json', 'steps.jsonl', 'epochs.jsonl', 'checkpoints/last.ckpt'];
    const bytes = () => files.map((name) => readFileSync(join(dir, name), 'latin1'));
    const before = bytes();
    const stop = new AbortController();
    const base = await tinyRequest(tiny, { epochs: 2 }, stop.signal);
    const emit: typeof base.emit = (event) => {
      if (event.type === 'decode') stop.abort();
    };
    const run = await openResumable(dir, {});
    const request = { ...base, emit, showPlan: () => undefined };
    await expect(resumeTraining(run, request)).rejects.toThrow(/abort/u);
    await run.held?.release();
    expect(bytes()).toEqual(before);
    expect(existsSync(lockPath(dir))).toBe(false);
  });

  test('holds the lock from before it reads until it has ended', async () => {
    const dir = copyOf(stopped);
    const run = await openResumable(dir, {});
    await expect(openResumable(dir, {})).rejects.toThrow(InUseError);
    await expect(lockRun(dir)).rejects.toThrow(`in use by process ${process.pid}`);
    await run.held?.release();
    const lock = await lockRun(dir);
    await expect(openResumable(dir, {})).rejects.toThrow(InUseError);
    // A dry run changes nothing, and needs no lock.
    const dry = await openResumable(dir, { dryRun: true });
    const plan = await planResume(dry, await tinyRequest(tiny));
    expect(plan).toMatchObject({ trained: 3, stepsPerEpoch: 4, steps: { length: 5 } });
    await lock.release();
  });

  test.each<[string, GivenSettings, RegExp]>([
    ['another setting', { batchSize: 2 }, /--batch-size: 4 in the run, 2 given/],
    [
      'other images',
      { data: 'OTHER' },
      /was trained on other images than there are now: train\/ants\/0\.png is missing/,
    ],
    ['fewer epochs', { extendTo: 2 }, /Expected more than the 2 epochs/],
  ])('that is refused for %s leaves the run as it is, torn lines included', async (_, given, message) => {
    const other = join(tiny.home, 'other');
    cpSync(tiny.data, other, { recursive: true });
    rmSync(join(other, 'train', 'ants', '0.png'));
    const dir = copyOf(stopped);
    appendFileSync(join(dir, 'steps.jsonl'), '{"step":3,"epo');
    const before = text(dir, 'steps.jsonl');
    const options = given.data === undefined ? given : { data: other };
    await expect(resume(dir, options)).rejects.toThrow(message);
    await expect(resume(dir, options)).rejects.toThrow(UsageError);
    expect(text(dir, 'steps.jsonl')).toBe(before);
    expect(json(dir, 'result.json')).toMatchObject({ status: 'interrupted' });
    expect(existsSync(lockPath(dir))).toBe(false);
  });

  test('of a run that has ended is refused without a trace', async () => {
    await expect(openResumable(whole, {})).rejects.toThrow('is completed: there is nothing left to train');
    expect(existsSync(lockPath(whole))).toBe(false);
  });
});

describe('a resume in another environment', () => {
  test.each([
    ['version', { onecycle: '9.9.9' }, 'onecycle 9.9.9 after ', 'environment'],
    ['arithmetic', { arithmetic: 'other' }, 'arithmetic other after ', 'environment'],
    ['backend', { backend: 'cpu' }, 'the backend cpu after wasm', 'backend'],
  ])(
    'of another %s: both files agree, and comparisons read the history',
    async (_, changed, told, type) => {
      const dir = copyOf(stopped);
      const before = json(dir, 'environment.json');
      const { document, notes } = await resume(dir, {}, changed);
      expect(notes).toEqual([expect.stringContaining(`Warning: The run goes on with ${told}`)]);
      expect(notes[0]).toContain('from step 3 on its last digits may differ');
      const { schemaVersion, ...now } = json(dir, 'environment.json');
      expect(now).toEqual(json(dir, 'result.json')['environment']);
      expect(now).toEqual(document.environment);
      expect(now).toMatchObject({
        ...changed,
        history: [
          { ...before, schemaVersion: undefined, fromStep: 0 },
          { fromStep: 3, ...changed },
        ].map(({ schemaVersion: _version, ...part }: Record<string, unknown>) => part),
      });
      expect(schemaVersion).toBe(1);
      expect(document.events).toMatchObject([{ type, step: 3, epoch: 0 }]);

      const { finished } = await readRuns([dir]);
      const [pure] = (await readRuns([whole])).finished;
      expect(finished[0]!.key).not.toBe(pure!.key);
      const warnings = fairnessWarnings(finished);
      expect(warnings).toContainEqual(
        expect.stringMatching(/^1cycle with seed 0 was computed in parts that differ: /),
      );
    },
    60_000,
  );

  test('of another machine: a part in the history, and nothing to warn of', async () => {
    const dir = copyOf(stopped);
    const { notes, document } = await resume(dir, {}, { cpu: 'another', cores: 64 });
    expect(notes).toEqual([]);
    expect(document.events).toEqual([]);
    expect(document.environment.history).toMatchObject([
      { fromStep: 0 },
      { fromStep: 3, cpu: 'another', cores: 64 },
    ]);
    expect(text(dir, 'steps.jsonl')).toBe(text(whole, 'steps.jsonl'));
  });

  test('and back again is three parts; a part that goes on in its own environment is none', async () => {
    const dir = copyOf(stopped);
    const there = { onecycle: '9.9.9' };
    expect(await resumeUntil(dir, there, 5)).toBe('interrupted');
    expect(await resumeUntil(dir, there, 6)).toBe('interrupted');
    const { document } = await resume(dir);
    expect(document.status).toBe('completed');
    expect(document.environment.history?.map(({ fromStep, onecycle }) => [fromStep, onecycle])).toEqual([
      [0, document.environment.onecycle],
      [3, '9.9.9'],
      [6, document.environment.onecycle],
    ]);
    expect(document.events.map(({ step }) => step)).toEqual([3, 6]);
  });
});
