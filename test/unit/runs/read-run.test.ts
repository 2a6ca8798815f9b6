import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../../src/errors.js';
import type { PredictionRecord } from '../../../src/runs/documents.js';
import type { JsonObject } from '../../../src/runs/json.js';
import { listRuns, readRun } from '../../../src/runs/read-run.js';
import { createRun } from '../../../src/runs/run-folder.js';
import { freshFolder } from './fresh-folder.js';
import { documents, epochRecord, stepRecord } from './sample-run.js';

const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const object = fc
  .dictionary(fc.string(), fc.jsonValue())
  .map((value) => JSON.parse(JSON.stringify(value)) as JsonObject);
const share = fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0);
const atLeast0 = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const steps = fc
  .array(fc.record({ learningRate: atLeast0, momentum: share, loss: number }))
  .map((list) => list.map((rates, step) => ({ step, epoch: 1, ...rates })));
const epochs = fc
  .array(
    fc
      .record({
        trainLoss: number,
        validLoss: number,
        correct: fc.nat(99),
        wrong: fc.nat(99),
        seconds: atLeast0,
      })
      .filter(({ correct, wrong }) => correct + wrong > 0),
  )
  .map((list) =>
    list.map(({ wrong, correct, ...rest }, i) => {
      const total = correct + wrong;
      return { epoch: i + 1, ...rest, validAccuracy: correct / total, correct, total };
    }),
  );
const prediction = fc.record({ predicted: fc.nat(), probability: share });
const event = fc.record({
  type: fc.constantFrom('early-stop' as const, 'extended' as const, 'backend' as const),
  step: fc.nat(),
  epoch: fc.nat(),
  text: fc.string(),
});
const predicted = fc.record({ image: fc.string(), label: fc.nat(), final: prediction, best: prediction });

/** A finished run of three steps and an epoch. */
async function finished(): Promise<string> {
  const run = await createRun(freshFolder(), 'run', documents);
  for (const i of [0, 1, 2]) run.appendStep(stepRecord(i));
  run.appendEpoch({ ...epochRecord(1), validAccuracy: 1, correct: 1, total: 1 });
  await run.writePredictions([
    {
      image: 'val/ant/1.jpg',
      label: 0,
      final: { predicted: 0, probability: 0.9 },
      best: { predicted: 0, probability: 0.6 },
    },
  ]);
  await run.finish({ status: 'completed' });
  await run.close();
  return run.dir;
}

describe('readRun', () => {
  it('gives back what was written', async () => {
    const out = freshFolder();
    const runs = fc.record({
      config: object,
      environment: object.map(({ schemaVersion: _, ...rest }) => rest),
      dataset: object,
      steps,
      epochs,
      events: fc.array(event),
      predictions: fc.array(predicted),
      status: fc.constantFrom('interrupted' as const, 'failed' as const),
    });
    await fc.assert(
      fc.asyncProperty(runs, async (written) => {
        const { config, environment, dataset, steps, epochs, events, predictions, status } = written;
        const run = await createRun(out, 'run', { config, environment, dataset });
        for (const record of steps) run.appendStep(record);
        for (const record of epochs) run.appendEpoch(record);
        await run.writeEvents(events);
        await run.writePredictions(predictions);
        await run.finish({ status });
        await run.close();
        expect(await readRun(run.dir)).toEqual({
          dir: run.dir,
          config,
          environment: { schemaVersion: 1, ...environment },
          dataset,
          steps,
          epochs,
          events,
          predictions,
          result: { schemaVersion: 1, status },
          status,
        });
      }),
      { numRuns: 25 },
    );
  });

  it('reads a run that has not ended, and leaves out a torn line', async () => {
    const run = await createRun(freshFolder(), 'run', documents);
    run.appendStep(stepRecord(0));
    await run.close();
    appendFileSync(join(run.dir, 'steps.jsonl'), JSON.stringify(stepRecord(1)));
    expect(await readRun(run.dir)).toMatchObject({
      steps: [stepRecord(0)],
      epochs: [],
      result: null,
      predictions: null,
      status: 'unfinished',
    });
  });

  it.each(['config.json', 'environment.json', 'dataset.json', 'steps.jsonl', 'epochs.jsonl'])(
    'names %s where it is missing',
    async (name) => {
      const dir = await finished();
      rmSync(join(dir, name));
      await expect(readRun(dir)).rejects.toThrow(UsageError);
      await expect(readRun(dir)).rejects.toThrow(`lacks ${name}`);
    },
  );

  it.each(['config.json', 'environment.json', 'dataset.json', 'result.json'])(
    'names %s where it is damaged',
    async (name) => {
      const dir = await finished();
      const path = join(dir, name);
      for (const content of [
        readFileSync(path).subarray(0, -3),
        '',
        '[]',
        'null',
        Buffer.from([0x22, 0xff, 0x22]),
      ]) {
        writeFileSync(path, content);
        await expect(readRun(dir)).rejects.toThrow(UsageError);
        await expect(readRun(dir)).rejects.toThrow(`${path} is damaged`);
      }
    },
  );

  it.each([
    ['steps.jsonl', { step: 3, epoch: 1, learningRate: null, momentum: 0.9, loss: 1 }, 'line 4'],
    ['epochs.jsonl', { epoch: 2 }, 'line 2'],
    ['predictions.jsonl', { image: 'a', label: 0, final: { predicted: 1 } }, 'line 2'],
  ])('names file and line where %s holds something else', async (name, line, place) => {
    const dir = await finished();
    appendFileSync(join(dir, name), `${JSON.stringify(line)}\n`);
    await expect(readRun(dir)).rejects.toThrow(`${join(dir, name)}, ${place}, is damaged: expected`);
  });

  it.each(['environment.json', 'result.json'])(
    'asks for an update where %s is of a newer version',
    async (name) => {
      const dir = await finished();
      const path = join(dir, name);
      const document = JSON.parse(readFileSync(path, 'utf8')) as object;
      writeFileSync(path, JSON.stringify({ ...document, schemaVersion: 2 }));
      await expect(readRun(dir)).rejects.toThrow(/newer onecycle \(schemaVersion 2.*Update onecycle/);
      for (const schemaVersion of [0, 1.5, '1', null, undefined]) {
        writeFileSync(path, JSON.stringify({ ...document, schemaVersion }));
        await expect(readRun(dir)).rejects.toThrow('as schemaVersion');
      }
    },
  );

  it('refuses an unknown status', async () => {
    const dir = await finished();
    writeFileSync(join(dir, 'result.json'), '{"schemaVersion":1,"status":"done"}');
    await expect(readRun(dir)).rejects.toThrow('received "done"');
  });

  it('passes on keys that it does not know', async () => {
    const dir = await finished();
    const more = { ...stepRecord(3), gradientNorm: 2 };
    appendFileSync(join(dir, 'steps.jsonl'), `${JSON.stringify(more)}\n`);
    expect((await readRun(dir)).steps[3]).toEqual(more);
  });

  it('refuses a folder that is not there, and a file', async () => {
    const dir = freshFolder();
    writeFileSync(join(dir, 'file'), '');
    for (const name of ['none', 'file']) {
      await expect(readRun(join(dir, name))).rejects.toThrow(UsageError);
      await expect(readRun(join(dir, name))).rejects.toThrow(`Expected a run's folder at ${join(dir, name)}`);
    }
  });

  it('refuses to write a number of a prediction that is not finite', async () => {
    const run = await createRun(freshFolder(), 'run', documents);
    const nan = { predicted: 0, probability: NaN };
    const line: PredictionRecord = { image: 'a', label: 0, final: nan, best: nan };
    await expect(run.writePredictions([line])).rejects.toThrow('final.probability');
    await run.close();
  });
});

describe('listRuns', () => {
  it('finds run folders alone, numbered ones in order', async () => {
    const out = freshFolder();
    for (let i = 0; i < 11; i++) await createRun(out, 'b', documents).then((run) => run.close());
    await createRun(out, 'a', documents).then((run) => run.close());
    mkdirSync(join(out, 'c'));
    writeFileSync(join(out, 'd'), '');
    mkdirSync(join(out, '.e'));
    writeFileSync(join(out, '.e', 'config.json'), '{}');
    const names = ['a', 'b', ...[2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((n) => `b-${n}`)];
    expect(await listRuns(out)).toEqual(names.map((name) => join(out, name)));
  });

  it('finds none where nothing was ever run, and refuses a file', async () => {
    const dir = freshFolder();
    expect(await listRuns(join(dir, 'none'))).toEqual([]);
    writeFileSync(join(dir, 'file'), '');
    await expect(listRuns(join(dir, 'file'))).rejects.toThrow(UsageError);
  });
});
