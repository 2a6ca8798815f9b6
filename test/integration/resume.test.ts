import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeCheckpoint, encodeCheckpoint } from '../../src/runs/checkpoint.js';
import { EVERY_STEP, interruptAfter, lines, outcome, SMALL_RUN } from './interrupted-run.js';
import { runCli } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

let root: string;
let data: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-resume-'));
  data = join(root, 'data');
  await tinyImages(data, { train: 14, valid: 4 });
});
afterAll(() => rm(root, { recursive: true, force: true }));

const RUN = '1cycle-seed0';
/** A fresh folder for runs, by name, within the file's own. */
const fresh = (name: string) => {
  const out = join(root, name);
  mkdirSync(out);
  return out;
};
const train = (out: string, ...more: string[]) => [
  'train',
  '--data',
  data,
  '--out',
  out,
  '--quiet',
  ...SMALL_RUN,
  ...more,
];
const resume = (dir: string, ...more: string[]) => runCli(['train', '--resume', dir, '--quiet', ...more]);

/** A finished run of 4 epochs of 7 steps, never interrupted. */
let reference: string;
beforeAll(async () => {
  reference = join(fresh('reference'), RUN);
  const { code, stderr } = await runCli(train(join(root, 'reference'), '--workers', '1'));
  expect(code, stderr).toBe(0);
});

/** A copy of a run of 4 epochs that was interrupted in the middle of the second. */
let interrupted: string;
beforeAll(async () => {
  interrupted = join(fresh('interrupted'), RUN);
  const { code } = await interruptAfter(train(join(root, 'interrupted')), interrupted, 9);
  expect(code).toBe(130);
});
const copyOf = (dir: string, name: string) => {
  const copy = join(root, name, RUN);
  cpSync(dir, copy, { recursive: true });
  return copy;
};

describe('a refused resume', () => {
  it('leaves no lock behind, whatever it is refused for', async () => {
    const dir = copyOf(interrupted, 'refused');
    for (const more of [
      ['--data', join(root, 'nowhere')],
      ['--weights', join(root, 'nowhere')],
      ['--backend', 'tensorflow'],
      ['--report', join(root, 'page.html')],
    ]) {
      const { code, stderr } = await resume(dir, ...more);
      expect(code, `${more.join(' ')}: ${stderr}`).toBe(2);
      expect(existsSync(join(dir, '.lock')), more.join(' ')).toBe(false);
    }
  });
});

describe('a resumed run', () => {
  it.each([
    // stops after at least so many steps (in the warm-up, at an epoch's end, in the descent), then other workers
    [[1], '2'],
    [[17], '3'],
    [[2, 14, 20], '1'],
  ])(
    'equals one that was never interrupted, bit for bit: stopped at %j, then --workers %s',
    async (stops, workers) => {
      const out = fresh(`stopped-${stops.join('-')}`);
      const dir = join(out, RUN);
      for (const [i, stop] of stops.entries()) {
        const args = i === 0 ? train(out, '--workers', '1') : ['train', '--resume', dir, '--quiet'];
        const { code } = await interruptAfter(args, dir, stop);
        expect(code).toBe(130);
        const found = lines(join(dir, 'steps.jsonl')).length;
        expect(found).toBeGreaterThanOrEqual(stop);
        expect(found).toBeLessThan(28);
      }
      const { code, stderr } = await resume(dir, '--workers', workers);
      expect(code, stderr).toBe(0);
      expect(outcome(dir)).toEqual(outcome(reference));
    },
  );

  it('does so where everything is trained and nothing is kept', async () => {
    const all = ['--trainable', 'all', '--epochs', '2', '--lr', '1e-3'];
    const [whole, parts] = [fresh('all-whole'), fresh('all-parts')];
    expect((await runCli(train(whole, ...all))).code).toBe(0);
    expect((await interruptAfter(train(parts, ...all), join(parts, RUN), 3)).code).toBe(130);
    expect((await resume(join(parts, RUN))).code).toBe(0);
    expect(outcome(join(parts, RUN))).toEqual(outcome(join(whole, RUN)));
  });

  it('takes the checkpoint before where the last one is damaged, and says so', async () => {
    const dir = copyOf(interrupted, 'damaged');
    const last = join(dir, 'checkpoints', 'last.ckpt');
    const bytes = readFileSync(last);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(last, bytes);
    const { code, stderr } = await resume(dir);
    expect(code).toBe(0);
    expect(stderr).toContain('last.ckpt cannot be used: its checksum does not fit its content');
    expect(outcome(dir)).toEqual(outcome(reference));
  });

  it('goes on where it was killed after the best checkpoint of an epoch and before the last one', async () => {
    const dir = copyOf(interrupted, 'ahead');
    const all = (file: string) => lines(join(reference, file));
    const steps = lines(join(dir, 'steps.jsonl')).length;
    appendFileSync(join(dir, 'steps.jsonl'), all('steps.jsonl').slice(steps, 14).join('\n') + '\n');
    const second = JSON.parse(all('epochs.jsonl')[1]!) as { seconds: number };
    // The epoch was recorded twice, each time before a kill: it took another time.
    appendFileSync(join(dir, 'epochs.jsonl'), `${JSON.stringify({ ...second, seconds: 2 })}\n`);
    const best = join(dir, 'checkpoints', 'best.ckpt');
    const { header, tensors } = decodeCheckpoint(readFileSync(best)) as {
      header: { state: { epochs: unknown[] } };
      tensors: ReadonlyMap<string, Float32Array>;
    };
    header.state.epochs.push({ ...second, seconds: 1 });
    writeFileSync(best, encodeCheckpoint({ header, tensors } as never));
    const { code, stderr } = await resume(dir);
    expect(code, stderr).toBe(0);
    expect(outcome(dir)).toEqual(outcome(reference));
  });

  it('makes the last checkpoint the best one where it was killed between the two', async () => {
    const out = fresh('between');
    expect((await runCli(train(out, '--epochs', '1'))).code).toBe(0);
    const dir = join(out, RUN);
    const whole = outcome(dir);
    // As it lies there after the last checkpoint of its one epoch, which is also its best.
    const best = join(dir, 'checkpoints', 'best.ckpt');
    const saved = readFileSync(best);
    for (const path of [best, join(dir, 'result.json'), join(dir, 'predictions.jsonl')]) rmSync(path);
    const { code, stderr } = await resume(dir);
    expect(code, stderr).toBe(0);
    expect(readFileSync(best).equals(saved)).toBe(true);
    expect(outcome(dir)).toEqual(whole);
  });

  it('goes on with an ended run only where more epochs are asked for', async () => {
    const { code, stderr } = await resume(reference);
    expect(code).toBe(2);
    expect(stderr).toContain('is completed: there is nothing left to train. --extend-to EPOCHS');
  });
});

describe('what contradicts the run', () => {
  it('is refused with the difference shown, and the run stays as it is', async () => {
    const before = readFileSync(join(interrupted, 'steps.jsonl'), 'utf8');
    const { code, stdout, stderr } = await resume(
      interrupted,
      '--batch-size',
      '8',
      '--lr',
      '0.5',
      '--epochs',
      '9',
    );
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('--batch-size: 4 in the run, 8 given');
    expect(stderr).toContain('--lr: 0.0005 in the run, 0.5 given');
    expect(stderr).toContain('More epochs are planned with --extend-to.');
    expect(readFileSync(join(interrupted, 'steps.jsonl'), 'utf8')).toBe(before);
  });

  it('lets the same options pass, and those that change no result', async () => {
    const dir = copyOf(interrupted, 'same');
    const { code, stderr } = await resume(dir, ...SMALL_RUN, '--seed', '0', '--lr', 'auto', '--workers', '1');
    expect(code, stderr).toBe(0);
    expect(outcome(dir)).toEqual(outcome(reference));
  });

  it('names the images that changed, are missing or new', async () => {
    const moved = join(root, 'moved');
    cpSync(data, moved, { recursive: true });
    // Moving alone changes nothing.
    const dir = copyOf(interrupted, 'other-data');
    cpSync(join(moved, 'train/ants/1.png'), join(moved, 'train/ants/99.png'));
    cpSync(join(moved, 'train/bees/0.png'), join(moved, 'train/ants/0.png'));
    rmSync(join(moved, 'val/bees/2.png'));
    const refused = await resume(dir, '--data', moved);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(
      'train/ants/0.png has changed, val/bees/2.png is missing or cannot be read, train/ants/99.png is new',
    );
    rmSync(moved, { recursive: true });
    renameSync(data, moved);
    try {
      expect((await resume(dir, '--data', moved)).code).toBe(0);
      expect(outcome(dir)).toEqual(outcome(reference));
    } finally {
      renameSync(moved, data);
    }
  });

  it('refuses other weights', async () => {
    // The model of another run is a MobileNet like the one that the run started from, with other values.
    const { code, stderr } = await resume(interrupted, '--weights', join(reference, 'model'));
    expect(code).toBe(2);
    expect(stderr).toContain(`was started from other weights than those of ${join(reference, 'model')} now`);
  });

  it('warns where the run goes on with another backend, and marks the record', async () => {
    const out = fresh('backends');
    const dir = join(out, RUN);
    const head = ['--trainable', 'head', '--epochs', '2'];
    expect((await interruptAfter(train(out, ...head), dir, 2)).code).toBe(130);
    const { code, stderr } = await resume(dir, '--backend', 'cpu');
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('Warning: The run goes on with the backend cpu after wasm');
    const environment = JSON.parse(readFileSync(join(dir, 'environment.json'), 'utf8')) as object;
    expect(environment).toMatchObject({
      backend: 'cpu',
      history: [
        { fromStep: 0, backend: 'wasm' },
        { fromStep: expect.any(Number), backend: 'cpu' },
      ],
    });
    const result = JSON.parse(readFileSync(join(dir, 'result.json'), 'utf8')) as { environment: object };
    expect({ schemaVersion: 1, ...result.environment }).toEqual(environment);
    expect(lines(join(dir, 'events.jsonl'))).toHaveLength(1);
  });

  it.each([
    ['a folder that is no run', () => data, 'is not the folder of a run'],
    ['no folder', () => join(root, 'nowhere'), "Expected a run's folder at"],
  ])('refuses %s', async (_, dir, message) => {
    const { code, stderr } = await resume(dir());
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('--extend-to', () => {
  it('shows the new plan, records the change, and equals itself where it is interrupted', async () => {
    const whole = copyOf(reference, 'extended');
    const { code, stderr, stdout } = await resume(whole, '--extend-to', '6', '--json');
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(
      '1cycle: 6 epochs of 7 steps with batches of 4, 42 steps in all. 28 steps of them',
    );
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'completed',
      config: { epochs: 6, replans: [{ step: 28, fromEpochs: 4, toEpochs: 6 }] },
      events: [{ type: 'extended', step: 28, epoch: 4 }],
    });
    const parts = copyOf(reference, 'extended-in-parts');
    const args = ['train', '--resume', parts, '--quiet'];
    expect((await interruptAfter([...args, '--extend-to', '6'], parts, 31)).code).toBe(130);
    expect((await resume(parts)).code).toBe(0);
    expect(outcome(parts)).toEqual(outcome(whole));
    // The steps until then stay as they were.
    expect(readFileSync(join(whole, 'steps.jsonl'), 'utf8')).toContain(
      readFileSync(join(reference, 'steps.jsonl'), 'utf8'),
    );
  });

  it('re-plans an interrupted run: from its step on it has the rates of the longer cycle', async () => {
    const dir = copyOf(interrupted, 'extended-early');
    const stopped = lines(join(dir, 'steps.jsonl')).length;
    expect((await resume(dir, '--extend-to', '5')).code).toBe(0);
    const longer = fresh('longer');
    expect((await runCli(train(longer, '--epochs', '5'))).code).toBe(0);
    const rates = (path: string) =>
      lines(join(path, 'steps.jsonl')).map((line) => {
        const { learningRate, momentum } = JSON.parse(line) as Record<string, number>;
        return [learningRate, momentum];
      });
    expect(rates(dir).slice(stopped)).toEqual(rates(join(longer, RUN)).slice(stopped));
    expect(rates(dir).slice(0, stopped)).toEqual(rates(reference).slice(0, stopped));
  });

  it('shows the plan with --dry-run and changes nothing', async () => {
    const before = readFileSync(join(reference, 'config.json'), 'utf8');
    const { code, stdout } = await resume(reference, '--extend-to', '5', '--dry-run', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ trained: 28, steps: { length: 7 } });
    expect(readFileSync(join(reference, 'config.json'), 'utf8')).toBe(before);
    expect(existsSync(join(reference, 'events.jsonl'))).toBe(false);
  });

  it.each([
    [['--extend-to', '4'], 'Expected more than the 4 epochs that the run is planned for in --extend-to'],
  ])('refuses %j', async (more, message) => {
    const { code, stderr } = await resume(reference, ...more);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it('needs a run', async () => {
    const { code, stderr } = await runCli([...train(root), '--extend-to', '9']);
    expect(code).toBe(2);
    expect(stderr).toContain('Add --resume RUN');
  });
});

it('a run that was written out to the last checkpoint but not concluded is concluded by a resume', async () => {
  const dir = copyOf(reference, 'not-concluded');
  for (const name of ['result.json', 'predictions.jsonl', 'model'])
    rmSync(join(dir, name), { recursive: true });
  const { code, stdout } = await runCli(['train', '--resume', dir, '--json', '--quiet'], { env: EVERY_STEP });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ status: 'completed', epochs: { length: 4 } });
  expect(outcome(dir)).toEqual(outcome(reference));
});
