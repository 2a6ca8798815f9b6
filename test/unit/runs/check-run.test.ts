import { appendFileSync, cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { UsageError } from '../../../src/errors.js';
import { bestAndFinal, checkpointRecord } from '../../../src/runs/check-run.js';
import { encodeCheckpoint } from '../../../src/runs/checkpoint.js';
import type { JsonObject } from '../../../src/runs/json.js';
import { readRun } from '../../../src/runs/read-run.js';
import { createRun } from '../../../src/runs/run-folder.js';
import { freshFolder } from './fresh-folder.js';

const CONFIG = { policy: 'fixed', arm: 'fixed', seed: 0, lr: 0.1, batchSize: 2, epochs: 3 };
const ENVIRONMENT = { backend: 'wasm', arithmetic: 'fused', onecycle: '0.1.0', sliceSize: 4 };
const DATASET = {
  classes: ['ants', 'bees'],
  train: 5,
  valid: 4,
  files: {
    train: Array.from({ length: 5 }, (_, i) => ({ path: `train/${i}.png`, label: 0, sha256: `${i}` })),
    valid: Array.from({ length: 4 }, (_, i) => ({ path: `val/${i}.png`, label: i % 2, sha256: `v${i}` })),
  },
};
/** Three batches an epoch: two, two, and one image. */
const LOSSES = [
  [3, 2, 1],
  [2, 1, 0.5],
  [1, 1, 1],
];
/** The second epoch is the best. */
const CORRECT = [2, 3, 2];

/** A finished run of three epochs of three steps, all of whose files agree. */
async function whole(): Promise<string> {
  const run = await createRun(freshFolder(), 'run', {
    config: CONFIG,
    environment: ENVIRONMENT,
    dataset: DATASET,
  });
  const epochs = LOSSES.map((losses, i) => {
    losses.forEach((loss, k) => {
      run.appendStep({ step: 3 * i + k, epoch: i + 1, learningRate: 0.1, momentum: 0.9, loss });
    });
    const [a = 0, b = 0, c = 0] = losses;
    const correct = CORRECT[i] ?? 0;
    const epoch = {
      ...{ epoch: i + 1, trainLoss: (2 * a + 2 * b + c) / 5, validLoss: 1 - i / 10 },
      ...{ validAccuracy: correct / 4, correct, total: 4, seconds: 1 },
    };
    run.appendEpoch(epoch);
    return epoch;
  });
  const answer = (image: number, right: number) => ({
    predicted: image < right ? image % 2 : 1 - (image % 2),
    probability: 0.75,
  });
  await run.writePredictions(
    DATASET.files.valid.map(({ path, label }, i) => ({
      ...{ image: path, label },
      final: answer(i, 2),
      best: answer(i, 3),
    })),
  );
  const offsets = { ...(await run.sync()) } as unknown as JsonObject;
  const record = checkpointRecord({ config: CONFIG, environment: ENVIRONMENT, dataset: DATASET });
  await run.writeCheckpoint(encodeCheckpoint({ header: { offsets, record }, tensors: new Map() }));
  const named = ({ trainLoss: _loss, seconds: _seconds, ...rest }: (typeof epochs)[number]) => rest;
  const { classes, train, valid } = DATASET;
  await run.finish({
    status: 'completed',
    ...{
      policy: 'fixed',
      config: CONFIG,
      environment: ENVIRONMENT,
      dataset: { classes, train, valid },
      epochs,
      events: [],
    },
    ...{ best: named(epochs[1]!), final: named(epochs[2]!), stoppedEarly: null },
  } as never);
  await run.close();
  return run.dir;
}

const linesOf = (dir: string, name: string) =>
  readFileSync(join(dir, name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, never>);

function writeLines(dir: string, name: string, lines: readonly object[]): void {
  writeFileSync(join(dir, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

type Lines = ReturnType<typeof linesOf>;
const lines =
  (name: string, change: (lines: Lines) => readonly object[]) =>
  (dir: string): void =>
    writeLines(dir, name, change(linesOf(dir, name)));
const line = (name: string, index: number, changed: object) =>
  lines(name, (all) => all.map((one, i) => (i === index ? { ...one, ...changed } : one)));
const document =
  (name: string, change: (document: Record<string, ReturnType<typeof JSON.parse>>) => unknown) =>
  (dir: string): void => {
    const path = join(dir, name);
    const content = JSON.parse(readFileSync(path, 'utf8')) as Record<string, ReturnType<typeof JSON.parse>>;
    change(content);
    writeFileSync(path, JSON.stringify(content));
  };

/** What was done to a finished run, and what is told of it. */
const TAMPERED: [string, (dir: string) => void, RegExp][] = [
  [
    'no steps',
    lines('steps.jsonl', () => []),
    /steps\.jsonl holds 0 steps, and the 3 epochs of epochs\.jsonl have 9/,
  ],
  ['one step', lines('steps.jsonl', (all) => all.slice(0, 1)), /steps\.jsonl holds 1 step, and/],
  ['too few steps', lines('steps.jsonl', (all) => all.slice(0, 7)), /steps\.jsonl holds 7 steps, .* have 9/],
  [
    'the first steps missing',
    lines('steps.jsonl', (all) => all.slice(2)),
    /steps\.jsonl, line 1, is damaged: expected step 0/,
  ],
  [
    'steps in another order',
    lines('steps.jsonl', (all) => all.toReversed()),
    /steps\.jsonl, line 1, .* expected step 0 .* received \{"step":8/,
  ],
  [
    'a step twice',
    lines('steps.jsonl', (all) => [...all, all[8]!]),
    /steps\.jsonl, line 10, .* expected step 9/,
  ],
  [
    'a step too many',
    lines('steps.jsonl', (all) => [...all, { ...all[8]!, step: 9 }]),
    /step 9 in epoch 3, and with 3 steps an epoch it is in epoch 4/,
  ],
  [
    'a step of another epoch',
    line('steps.jsonl', 3, { epoch: 1 }),
    /step 3 in epoch 1, and .* it is in epoch 2/,
  ],
  [
    'another loss of a step',
    line('steps.jsonl', 4, { loss: 1.5 }),
    /epoch 2 has a training loss of 1\.3, its steps have one of 1\.5/,
  ],
  ['a rate below 0', line('steps.jsonl', 4, { learningRate: -0.1 }), /steps\.jsonl, line 5, is damaged/],
  ['a momentum above 1', line('steps.jsonl', 4, { momentum: 1.1 }), /steps\.jsonl, line 5, is damaged/],
  [
    'another rate of a step',
    line('steps.jsonl', 4, { learningRate: 0.2 }),
    /steps\.jsonl is not the one that checkpoints\/last\.ckpt counts on/,
  ],
  [
    'a loss that is no number',
    (dir) => {
      const path = join(dir, 'steps.jsonl');
      writeFileSync(path, readFileSync(path, 'utf8').replace('"loss":2', '"loss":1e999'));
    },
    /steps\.jsonl, line 2, is damaged/,
  ],
  [
    'no epochs',
    lines('epochs.jsonl', () => []),
    /result\.json says completed, and epochs\.jsonl holds 0 of 3 epochs/,
  ],
  [
    'the last epoch missing',
    lines('epochs.jsonl', (all) => all.slice(0, 2)),
    /epochs\.jsonl holds 2 epochs, result\.json 3/,
  ],
  [
    'the last epoch twice',
    lines('epochs.jsonl', (all) => [...all, all[2]!]),
    /epochs\.jsonl, line 4, is damaged: expected epoch 4/,
  ],
  [
    'epochs in another order',
    lines('epochs.jsonl', (all) => [all[1]!, all[0]!, all[2]!]),
    /epochs\.jsonl, line 1, is damaged: expected epoch 1/,
  ],
  [
    'an accuracy of 1e300',
    line('epochs.jsonl', 2, { validAccuracy: 1e300 }),
    /epochs\.jsonl, line 3, is damaged/,
  ],
  [
    'more right than there are',
    line('epochs.jsonl', 2, { correct: 5 }),
    /epochs\.jsonl, line 3, .* no more correct than there are/,
  ],
  ['half an image right', line('epochs.jsonl', 2, { correct: 2.5 }), /epochs\.jsonl, line 3, is damaged/],
  [
    'another accuracy',
    line('epochs.jsonl', 2, { validAccuracy: 0.75 }),
    /epoch 3 has an accuracy of 0\.75 with 2 of 4 images right/,
  ],
  [
    'other images',
    line('epochs.jsonl', 2, { correct: 4, total: 8 }),
    /epoch 3 was judged on 8 images, and dataset\.json lists 4/,
  ],
  [
    'another validation loss',
    line('epochs.jsonl', 2, { validLoss: 0.1 }),
    /epoch 3 is another in epochs\.jsonl than in result\.json/,
  ],
  [
    'more right',
    line('epochs.jsonl', 2, { correct: 3, validAccuracy: 0.75 }),
    /epoch 3 is another in epochs\.jsonl than in result\.json; the final epoch .*; and 1 more/,
  ],
  [
    'no predictions',
    lines('predictions.jsonl', () => []),
    /predictions\.jsonl holds 0 images, and the epochs were judged on 4/,
  ],
  [
    'predictions missing',
    (dir) => rmSync(join(dir, 'predictions.jsonl')),
    /result\.json says completed, and predictions\.jsonl is missing/,
  ],
  [
    'a prediction missing',
    lines('predictions.jsonl', (all) => all.slice(1)),
    /predictions\.jsonl holds 3 images/,
  ],
  [
    'one prediction',
    lines('predictions.jsonl', (all) => all.slice(0, 1)),
    /predictions\.jsonl holds 1 image, and/,
  ],
  [
    'a prediction twice',
    lines('predictions.jsonl', (all) => [all[0]!, all[0]!, all[2]!, all[3]!]),
    /does not list the validation images of dataset\.json as they are: "val\/1\.png"/,
  ],
  [
    'another prediction',
    line('predictions.jsonl', 3, { final: { predicted: 1, probability: 0.5 } }),
    /has 3 right with the final weights, epoch 3 of epochs\.jsonl 2/,
  ],
  ['another label', line('predictions.jsonl', 3, { label: 0 }), /does not list the validation images/],
  [
    'a class that there is not',
    line('predictions.jsonl', 3, { final: { predicted: 2, probability: 0.5 } }),
    /has a class for val\/3\.png that there is not/,
  ],
  [
    'a probability above 1',
    line('predictions.jsonl', 3, { final: { predicted: 0, probability: 1.5 } }),
    /predictions\.jsonl, line 4, is damaged/,
  ],
  [
    'another rate',
    document('config.json', (config) => (config['lr'] = 0.5)),
    /config\.json says lr 0\.5, result\.json 0\.1/,
  ],
  [
    'a setting left out',
    document('config.json', (config) => delete config['lr']),
    /config\.json says lr nothing, result\.json 0\.1/,
  ],
  [
    'fewer epochs',
    document('config.json', (config) => (config['epochs'] = 2)),
    /config\.json says epochs 2, result\.json 3/,
  ],
  [
    'another batch size',
    document('config.json', (config) => (config['batchSize'] = 5)),
    /config\.json says batchSize 5, result\.json 2/,
  ],
  [
    'other classes',
    document('dataset.json', (set) => (set['classes'] = ['cats', 'dogs'])),
    /dataset\.json and result\.json differ in classes/,
  ],
  [
    'another hash',
    document('dataset.json', ({ files }) => (files.train[0].sha256 = 'f')),
    /dataset\.json is not the one that the checkpoint counts on/,
  ],
  [
    'another environment',
    document('environment.json', (here) => (here['backend'] = 'cpu')),
    /environment\.json says backend "cpu", the checkpoint "wasm"/,
  ],
  [
    'another final epoch',
    document('result.json', ({ final }) => (final.correct = 4)),
    /the final epoch of result\.json is not the last of epochs\.jsonl/,
  ],
  [
    'another best epoch',
    document('result.json', (result) => (result['best'] = result['final'])),
    /the best epoch of result\.json is not the best of epochs\.jsonl/,
  ],
  [
    'an event',
    (dir) =>
      appendFileSync(join(dir, 'events.jsonl'), '{"type":"early-stop","step":3,"epoch":1,"text":"a"}\n'),
    /events\.jsonl holds other events/,
  ],
];

describe('a finished run whose files contradict each other', () => {
  it.each(TAMPERED)('%s', async (_, tamper, message) => {
    const dir = await whole();
    tamper(dir);
    const reading = readRun(dir);
    await expect(reading).rejects.toThrow(UsageError);
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toThrow(dir);
  });

  it("another run's epochs", async () => {
    const [one, other] = [await whole(), await whole()];
    line('epochs.jsonl', 0, { seconds: 7 })(other);
    cpSync(join(other, 'epochs.jsonl'), join(one, 'epochs.jsonl'));
    await expect(readRun(one)).rejects.toThrow('epoch 1 is another in epochs.jsonl than in result.json');
  });

  it('is told three contradictions, and how many more there are', async () => {
    const dir = await whole();
    document('config.json', (config) =>
      Object.assign(config, { lr: 1, seed: 1, arm: 'b', policy: 'c', batchSize: 2 }),
    )(dir);
    await expect(readRun(dir)).rejects.toThrow(
      `${dir} is damaged, for its files contradict each other: config.json says policy "c", result.json "fixed"; ` +
        'config.json says arm "b", result.json "fixed"; config.json says seed 1, result.json 0; and 1 more. Put the originals back, or remove the run.',
    );
  });
});

describe('a finished run whose files agree', () => {
  it('is read', async () => {
    const record = await readRun(await whole());
    expect(record).toMatchObject({ status: 'completed', steps: { length: 9 }, epochs: { length: 3 } });
    expect(bestAndFinal(record.epochs)).toMatchObject({ best: { epoch: 2 }, final: { epoch: 3 } });
  });

  it.each<[string, (dir: string) => void]>([
    ['that lies elsewhere', () => undefined],
    ['without checkpoints', (dir) => rmSync(join(dir, 'checkpoints'), { recursive: true })],
    [
      'whose checkpoint is damaged',
      (dir) => {
        const path = join(dir, 'checkpoints', 'last.ckpt');
        const bytes = readFileSync(path);
        bytes.set(Buffer.from('"fused"'.replace('f', 'g')), bytes.indexOf('"fused"'));
        writeFileSync(path, bytes);
      },
    ],
    ['with more in a document than is known', document('config.json', () => undefined)],
    [
      'with other files that were skipped',
      document('result.json', ({ dataset }) => (dataset.skipped = [{ path: 'x' }])),
    ],
  ])('%s', async (_, change) => {
    const dir = await whole();
    change(dir);
    renameSync(dir, `${dir}-moved`);
    expect((await readRun(`${dir}-moved`)).status).toBe('completed');
  });
});

describe.each(['interrupted', 'failed'])('a run that is %s', (status) => {
  const stopped = async () => {
    const dir = await whole();
    document('result.json', (result) => (result['status'] = status))(dir);
    return dir;
  };

  it('is read, also with steps after its last checkpoint', async () => {
    const dir = await stopped();
    const step = { step: 9, epoch: 4, learningRate: 0.1, momentum: 0.9, loss: 3 };
    appendFileSync(join(dir, 'steps.jsonl'), `${JSON.stringify(step)}\n`);
    expect(await readRun(dir)).toMatchObject({ status, steps: { length: 10 }, epochs: { length: 3 } });
  });

  it.each([
    ['epochs are cut off', 'epochs.jsonl', 1, 'epochs.jsonl holds 1 epoch, result.json 3'],
    ['steps are cut off', 'steps.jsonl', 4, 'steps.jsonl ends before epoch 2 of epochs.jsonl does'],
  ])('is refused where its %s', async (_, name, kept, message) => {
    const dir = await stopped();
    lines(name, (all) => all.slice(0, kept))(dir);
    await expect(readRun(dir)).rejects.toThrow(message);
  });

  it('is refused where its last steps, of an epoch under way, are cut off or others', async () => {
    const dir = await stopped();
    document('result.json', (result) => {
      result['epochs'].pop();
      result['final'] = result['best'];
    })(dir);
    lines('epochs.jsonl', (all) => all.slice(0, 2))(dir);
    lines('steps.jsonl', (all) => all.slice(0, 8))(dir);
    await expect(readRun(dir)).rejects.toThrow(/steps\.jsonl is not the one that .*last\.ckpt counts on/);
  });
});

test('a run that was interrupted, went on, and lost power may have its earlier result again', async () => {
  const dir = await whole();
  document('result.json', (result) => {
    result['status'] = 'interrupted';
    result['epochs'].pop();
    result['final'] = result['best'];
  })(dir);
  expect((await readRun(dir)).epochs).toHaveLength(3);
  line('epochs.jsonl', 0, { seconds: 7 })(dir);
  await expect(readRun(dir)).rejects.toThrow('epoch 1 is another in epochs.jsonl than in result.json');
});

test('a run that was killed may have lines that are ahead of others, but not out of order', async () => {
  const dir = await whole();
  rmSync(join(dir, 'result.json'));
  lines('steps.jsonl', (all) => all.slice(0, 7))(dir);
  expect((await readRun(dir)).status).toBe('unfinished');
  lines('steps.jsonl', (all) => [all[0]!, all[1]!, all[1]!])(dir);
  await expect(readRun(dir)).rejects.toThrow(/steps\.jsonl, line 3, is damaged: expected step 2/);
});
