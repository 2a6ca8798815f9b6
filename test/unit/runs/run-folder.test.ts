import { describe, expect, it } from 'vitest';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { RunError, UsageError } from '../../../src/errors.js';
import {
  checkpointPath,
  encodeCheckpoint,
  readCheckpoint,
  readNewestCheckpoint,
} from '../../../src/runs/checkpoint.js';
import { listRuns, readRun } from '../../../src/runs/read-run.js';
import { createRun } from '../../../src/runs/run-folder.js';
import { freshFolder } from './fresh-folder.js';
import { documents, epochRecord, openRun, saveCheckpoint, stepRecord } from './sample-run.js';

/** Of the ten images that `epochRecord` speaks of. */
const halfRight = Array.from({ length: 10 }, (_, i) => {
  const answer = { predicted: i % 2, probability: 0.5 };
  return { image: `val/${i}.png`, label: 1, final: answer, best: answer };
});

/** A closed run of six steps whose checkpoints stand at steps 2 (previous) and 4 (last). */
async function sixSteps(): Promise<string> {
  const run = await createRun(freshFolder(), 'run', documents);
  for (let step = 0; step < 6; step++) {
    run.appendStep(stepRecord(step));
    if (step === 1 || step === 3) await saveCheckpoint(run, step + 1);
  }
  await run.close();
  return run.dir;
}

describe('a folder that another one has taken the place of', () => {
  it('is written no more', async () => {
    const out = freshFolder();
    const run = await createRun(out, 'run', documents);
    await saveCheckpoint(run, 1);
    renameSync(run.dir, join(out, 'aside'));
    const other = await createRun(out, 'run', documents);
    expect(other.dir).toBe(run.dir);
    await saveCheckpoint(other, 7);
    await other.close();
    const before = readFileSync(checkpointPath(run.dir, 'last'));
    await expect(saveCheckpoint(run, 2)).rejects.toThrow(/is not the folder of this run any more/u);
    await expect(run.writePredictions([])).rejects.toThrow(RunError);
    await expect(run.writeModel({})).rejects.toThrow(RunError);
    await run.close();
    expect(readFileSync(checkpointPath(run.dir, 'last'))).toEqual(before);
    expect(existsSync(join(run.dir, 'predictions.jsonl'))).toBe(false);
  });
});

describe('createRun', () => {
  it('makes the out folder and writes what is known at the start', async () => {
    const out = join(freshFolder(), 'deep', 'runs');
    const run = await createRun(out, '1cycle@100', documents);
    expect(run.dir).toBe(join(out, '1cycle@100'));
    const names = [
      '.lock',
      'checkpoints',
      'config.json',
      'dataset.json',
      'environment.json',
      'epochs.jsonl',
      'steps.jsonl',
    ];
    expect(readdirSync(run.dir).sort()).toEqual(names);
    const read = (name: string): unknown => JSON.parse(readFileSync(join(run.dir, name), 'utf8'));
    expect(read('config.json')).toEqual(documents.config);
    expect(read('dataset.json')).toEqual(documents.dataset);
    expect(read('environment.json')).toEqual({ schemaVersion: 1, ...documents.environment });
    await run.close();
    expect(readdirSync(run.dir).sort()).toEqual(names.slice(1));
    expect(readdirSync(out)).toEqual(['1cycle@100']);
  });

  it('counts on where a name is taken, also by an empty folder or a file', async () => {
    const out = freshFolder();
    mkdirSync(join(out, 'a'));
    writeFileSync(join(out, 'a-2'), '');
    const [third, fourth] = [await createRun(out, 'a', documents), await createRun(out, 'a', documents)];
    expect([third, fourth].map(({ dir }) => basename(dir))).toEqual(['a-3', 'a-4']);
    expect(readdirSync(join(out, 'a'))).toEqual([]);
    await Promise.all([third.close(), fourth.close()]);
  });

  it('gives each of many that ask at once a folder of its own', async () => {
    const out = freshFolder();
    const runs = await Promise.all(Array.from({ length: 8 }, () => createRun(out, 'a', documents)));
    const expected = ['a', ...[2, 3, 4, 5, 6, 7, 8].map((n) => `a-${n}`)];
    expect(runs.map(({ dir }) => basename(dir)).sort()).toEqual(expected);
    expect(readdirSync(out).sort()).toEqual(expected);
    await Promise.all(runs.map((run) => run.close()));
  });

  it.each(['', '.', '..', '.hidden', 'a/b', 'a\\b', 'a\0b'])('refuses the name %j', async (name) => {
    await expect(createRun(freshFolder(), name, documents)).rejects.toThrow(RangeError);
  });

  it('leaves nothing behind where it fails', async () => {
    const out = freshFolder();
    await expect(createRun(out, 'a', { ...documents, config: { lr: NaN } })).rejects.toThrow(RangeError);
    // 250 characters are allowed for a name, but not together with the temporary one's ending.
    await expect(createRun(out, 'x'.repeat(250), documents)).rejects.toThrow(UsageError);
    expect(readdirSync(out)).toEqual([]);
  });

  it('refuses an out folder that is a file', async () => {
    const out = join(freshFolder(), 'file');
    writeFileSync(out, '');
    await expect(createRun(out, 'a', documents)).rejects.toThrow(
      /is a file, not a folder.*Give a folder with --out/,
    );
    await expect(createRun(join(out, 'deeper'), 'a', documents)).rejects.toThrow(UsageError);
  });
});

describe('RunFolder', () => {
  it('keeps the last, the previous and the best checkpoint', async () => {
    const run = await createRun(freshFolder(), 'run', documents);
    for (const step of [1, 2, 3, 4]) await saveCheckpoint(run, step, step === 2);
    const stepOf = async (generation: 'last' | 'previous' | 'best') =>
      (await readCheckpoint(run.dir, generation)).header;
    expect(await stepOf('last')).toMatchObject({ step: 4 });
    expect(await stepOf('previous')).toMatchObject({ step: 3 });
    expect(await stepOf('best')).toMatchObject({ step: 2 });
    expect(readdirSync(join(run.dir, 'checkpoints')).sort()).toEqual([
      'best.ckpt',
      'last.ckpt',
      'previous.ckpt',
    ]);
    await run.close();
  });

  it('shows the steps of an epoch with the epoch', async () => {
    const run = await createRun(freshFolder(), 'run', documents);
    for (const step of [0, 1]) run.appendStep(stepRecord(step));
    run.appendEpoch(epochRecord(1));
    expect(await readRun(run.dir)).toMatchObject({
      steps: [stepRecord(0), stepRecord(1)],
      epochs: [epochRecord(1)],
      status: 'unfinished',
    });
    await run.close();
  });

  it('replaces the model as a whole', async () => {
    const run = await createRun(freshFolder(), 'run', documents);
    await run.writeModel({ 'model.json': '{}', 'weights.bin': Uint8Array.of(1, 2), 'old.txt': '' });
    await run.writeModel({ 'model.json': '{"a":1}', 'weights.bin': Uint8Array.of(3) });
    const model = join(run.dir, 'model');
    expect(readdirSync(model).sort()).toEqual(['model.json', 'weights.bin']);
    expect([...readFileSync(join(model, 'weights.bin'))]).toEqual([3]);
    await run.close();
    expect(readdirSync(run.dir).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('holds what all runs hold once, and trusts no file that was changed', async () => {
    const out = freshFolder();
    const library = { 'lib/a.js': Uint8Array.of(1, 2, 3), 'lib/b.js': Uint8Array.of(4) };
    const write = async (name: string) => {
      const run = await createRun(out, name, documents);
      await run.writeModel({ 'model.json': '{}' }, library);
      await run.close();
      return (file: string) => join(run.dir, 'model', file);
    };
    const [first, second] = [await write('first'), await write('second')];
    for (const name of Object.keys(library))
      expect(statSync(second(name)).ino).toBe(statSync(first(name)).ino);
    expect(statSync(second('model.json')).ino).not.toBe(statSync(first('model.json')).ino);
    rmSync(join(out, 'second'), { recursive: true });
    rmSync(first('lib/b.js'));
    writeFileSync(first('lib/b.js'), 'changed');
    const third = await write('third');
    expect(statSync(third('lib/a.js')).ino).toBe(statSync(first('lib/a.js')).ino);
    expect([...readFileSync(third('lib/b.js'))]).toEqual([4]);
    expect(readFileSync(first('lib/b.js'), 'utf8')).toBe('changed');
    expect(readdirSync(third('')).sort()).toEqual(['lib', 'model.json']);
  });

  it('fails with the place where its folder was removed or moved in the middle', async () => {
    for (const takeAway of [
      (dir: string) => rmSync(dir, { recursive: true }),
      (dir: string) => renameSync(dir, `${dir}-moved`),
    ]) {
      const run = await createRun(freshFolder(), 'run', documents);
      run.appendStep(stepRecord(0));
      takeAway(run.dir);
      const bytes = encodeCheckpoint({ header: null, tensors: new Map() });
      await expect(run.writeCheckpoint(bytes)).rejects.toThrow(RunError);
      await expect(run.writeCheckpoint(bytes)).rejects.toThrow(checkpointPath(run.dir, 'last'));
      await expect(run.finish({ status: 'failed' })).rejects.toThrow(RunError);
      await run.close().catch(() => undefined);
      expect(existsSync(run.dir)).toBe(false);
    }
  });

  it('may be closed twice', async () => {
    const run = await createRun(freshFolder(), 'run', documents);
    await run.close();
    await run.close();
  });
});

describe('openRun', () => {
  it('goes on from the last checkpoint and forgets the lines after it', async () => {
    const dir = await sixSteps();
    appendFileSync(join(dir, 'steps.jsonl'), '{"step":6,"ep');
    const { run, checkpoint, notes } = await openRun(dir);
    expect(notes).toEqual([]);
    expect(checkpoint.header).toMatchObject({ step: 4 });
    expect([...checkpoint.tensors.get('weights/a')!]).toEqual([4, -4]);
    run.appendStep({ ...stepRecord(4), loss: 77 });
    await run.close();
    const { steps } = await readRun(dir);
    expect(steps.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4]);
    expect(steps[4]!.loss).toBe(77);
  });

  it.each(['damaged', 'missing'])(
    'goes on from the previous checkpoint where the last is %s, and says so',
    async (how) => {
      const dir = await sixSteps();
      const last = checkpointPath(dir, 'last');
      if (how === 'missing') rmSync(last);
      else writeFileSync(last, readFileSync(last).subarray(0, -1));
      const found = await readNewestCheckpoint(dir);
      expect(found).toMatchObject({ generation: 'previous', header: { step: 2 } });
      expect(found.note).toContain(last);

      const { run, notes } = await openRun(dir);
      expect(notes).toEqual([found.note]);
      // The whole one must never be pushed out by the damaged one.
      expect(readdirSync(join(dir, 'checkpoints'))).toEqual(['last.ckpt']);
      expect((await readCheckpoint(dir, 'last')).header).toMatchObject({ step: 2 });
      await run.close();
      expect((await readRun(dir)).steps).toHaveLength(2);
    },
  );

  it('names both checkpoints where neither can be used, and gives the folder free', async () => {
    const dir = await sixSteps();
    for (const generation of ['last', 'previous'] as const)
      writeFileSync(checkpointPath(dir, generation), 'x');
    const opening = openRun(dir);
    await expect(opening).rejects.toThrow(UsageError);
    await expect(opening).rejects.toThrow(/last\.ckpt.*previous\.ckpt.*Start the run anew/);
    expect(existsSync(join(dir, '.lock'))).toBe(false);
    expect((await readRun(dir)).steps).toHaveLength(6);
  });

  it('says what is left where the checkpoints were removed', async () => {
    const dir = await sixSteps();
    rmSync(join(dir, 'checkpoints'), { recursive: true });
    await expect(openRun(dir)).rejects.toThrow('Start the run anew');
    mkdirSync(join(dir, 'model'));
    await expect(openRun(dir)).rejects.toThrow(
      /holds no checkpoint any more, as after onecycle runs --prune/,
    );
  });

  it('refuses lines that were changed after the checkpoint', async () => {
    const dir = await sixSteps();
    writeFileSync(join(dir, 'steps.jsonl'), '{"step":0}\n');
    await expect(openRun(dir)).rejects.toThrow(
      /steps\.jsonl is shorter than the 299 bytes that the run's checkpoint counts on/,
    );
    expect(existsSync(join(dir, '.lock'))).toBe(false);
  });

  it.each(['steps', 'epochs'] as const)('refuses other %s than those before the checkpoint', async (name) => {
    const run = await createRun(freshFolder(), 'run', documents);
    run.appendStep(stepRecord(0));
    run.appendEpoch(epochRecord(1));
    await saveCheckpoint(run, 1);
    run.appendStep(stepRecord(1));
    await run.close();
    const path = join(run.dir, `${name}.jsonl`);
    const text = readFileSync(path, 'utf8');
    // What comes after the checkpoint may be anything: it is cut.
    appendFileSync(path, '{"torn');
    await openRun(run.dir).then(({ run: again }) => again.close());
    writeFileSync(path, text.replace('"epoch":1', '"epoch":2'));
    await expect(openRun(run.dir)).rejects.toThrow(UsageError);
    await expect(openRun(run.dir)).rejects.toThrow(
      `${path} does not begin with the ${text.split('\n')[0]!.length + 1} bytes that the run's checkpoint counts on: it was changed`,
    );
    expect(existsSync(join(run.dir, '.lock'))).toBe(false);
  });

  it('refuses a checkpoint without offsets', async () => {
    const dir = await sixSteps();
    writeFileSync(checkpointPath(dir, 'last'), encodeCheckpoint({ header: { step: 1 }, tensors: new Map() }));
    await expect(openRun(dir)).rejects.toThrow('Expected offsets.steps and offsets.epochs');
  });

  it('refuses a folder that is no run, and touches nothing there', async () => {
    const dir = freshFolder();
    await expect(openRun(dir)).rejects.toThrow('is not the folder of a run');
    expect(readdirSync(dir)).toEqual([]);
  });

  it('names a run that is in the folder given in its place', async () => {
    const dir = await sixSteps();
    await expect(openRun(dirname(dir))).rejects.toThrow(`Give a run in it, such as ${dirname(dir)}`);
  });

  it('removes what a killed process left half-written, and nothing else', async () => {
    const dir = await sixSteps();
    const litter = [
      join(dir, 'checkpoints', '.last.ckpt.123-0123abcd.tmp'),
      join(dir, '.model.123-0123abcd.tmp'),
    ];
    writeFileSync(litter[0]!, 'half');
    mkdirSync(litter[1]!);
    writeFileSync(join(litter[1]!, 'weights.bin'), 'half');
    writeFileSync(join(dir, '.notes'), 'mine');
    await openRun(dir).then(({ run }) => run.close());
    expect(litter.filter((path) => existsSync(path))).toEqual([]);
    expect(existsSync(join(dir, '.notes'))).toBe(true);
  });

  it('keeps the old result until the run goes on', async () => {
    const out = freshFolder();
    const run = await createRun(out, 'run', documents);
    run.appendStep(stepRecord(0));
    run.appendEpoch(epochRecord(1));
    await run.writePredictions(halfRight);
    await saveCheckpoint(run, 1);
    await run.finish({ status: 'completed' });
    await run.close();

    const looked = await openRun(run.dir);
    await looked.run.close();
    expect((await readRun(run.dir)).status).toBe('completed');

    const extended = await openRun(run.dir);
    extended.run.appendStep(stepRecord(1));
    expect(await readRun(run.dir)).toMatchObject({ status: 'unfinished', result: null });
    await extended.run.finish({ status: 'interrupted' });
    await extended.run.close();
    expect(await readRun(run.dir)).toMatchObject({
      status: 'interrupted',
      steps: [stepRecord(0), stepRecord(1)],
    });
    expect(await listRuns(out)).toEqual([run.dir]);
  });

  it('replaces the configuration of a run that goes on otherwise, and voids its result', async () => {
    const run = await createRun(freshFolder(), 'run', documents);
    await saveCheckpoint(run, 0);
    await run.writeEvents([{ type: 'early-stop', step: 1, epoch: 1, text: 'a' }]);
    await run.finish({ status: 'completed' });
    await run.close();

    const { run: again } = await openRun(run.dir);
    await again.replace('config', { ...documents.config, lr: 7 });
    await again.replace('environment', { backend: 'wasm+cpu' });
    await again.writeEvents([]);
    await again.close();
    expect(await readRun(run.dir)).toMatchObject({
      status: 'unfinished',
      config: { policy: '1cycle', lr: 7 },
      environment: { schemaVersion: 1, backend: 'wasm+cpu' },
      events: [],
    });
  });

  it('can be resumed from the moment that it is there', async () => {
    const header = { step: 0, offsets: { steps: 0, epochs: 0 } };
    const checkpoint = encodeCheckpoint({ header, tensors: new Map([['a', Float32Array.of(1)]]) });
    const run = await createRun(freshFolder(), 'run', { ...documents, checkpoint });
    run.appendStep(stepRecord(0));
    await run.close();
    const opened = await openRun(run.dir);
    expect(opened.checkpoint).toMatchObject({ generation: 'last', header });
    expect((await readRun(run.dir)).steps).toEqual([]);
    await opened.run.close();
  });
});
