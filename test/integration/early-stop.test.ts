import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { interruptAfter, lines, outcome } from './interrupted-run.js';
import { runCli } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-early-'));
  await tinyImages(join(root, 'data'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const STEPS_PER_EPOCH = 6;
const COMMON = '--image-size 32 --trainable head --views 2 --batch-size 4 --quiet'.split(' ');
/** Rates so high that the validation loss, having fallen to nothing, rises again. */
const CYCLE = '--policy 1cycle --lr 0.5 --epochs 10 --early-stop 1'.split(' ');
const FIXED = '--policy fixed --lr 0.5 --decay none --epochs 8 --early-stop 2'.split(' ');
const PLATEAU = '--policy fixed --lr 0.5 --decay plateau --patience 0 --epochs 8'.split(' ');
const train = (name: string, ...more: string[]) => [
  ...['train', '--data', join(root, 'data'), '--out', join(root, name), ...COMMON],
  ...more,
];

interface Document {
  readonly run: string;
  readonly epochs: readonly { readonly epoch: number; readonly validLoss: number }[];
  readonly stoppedEarly: { readonly epoch: number; readonly reason: string } | null;
  readonly events: readonly { readonly type: string; readonly step: number; readonly epoch: number }[];
}

async function trained(name: string, ...more: string[]): Promise<Document> {
  const { code, stdout, stderr } = await runCli([...train(name, ...more), '--json']);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Document;
}

const rates = ({ run }: Document) =>
  lines(join(run, 'steps.jsonl')).map((line) => JSON.parse(line) as Record<string, number>);

/** The first epoch from `from` on at which so many epochs had brought nothing better than the lowest loss. */
function triggered({ epochs }: Document, patience: number, from = 1): number | undefined {
  let [best, bad] = [Infinity, 0];
  for (const { epoch, validLoss } of epochs) {
    if (validLoss < best) [best, bad] = [validLoss, 0];
    else if (epoch >= from) bad += 1;
    if (bad >= patience) return epoch;
  }
  return undefined;
}

/** Stops a run at several places and compares what it becomes with the run that was never stopped. */
async function equalsItsParts(whole: Document, name: string, options: string[], stops: readonly number[]) {
  for (const stop of stops) {
    const dir = join(root, `${name}-${stop}`, whole.run.split('/').at(-1)!);
    expect((await interruptAfter(train(`${name}-${stop}`, ...options), dir, stop)).code).toBe(130);
    const { code, stderr } = await runCli(['train', '--resume', dir, '--quiet']);
    expect(code, stderr).toBe(0);
    expect(outcome(dir)).toEqual(outcome(whole.run));
  }
}

describe('the fixed policy', () => {
  it('stops after epochs without a better validation loss, and says so', async () => {
    const document = await trained('fixed', ...FIXED);
    const epoch = triggered(document, 2);
    expect(epoch).toBeLessThan(8);
    expect(document.epochs).toHaveLength(epoch!);
    expect(document.stoppedEarly).toMatchObject({ epoch });
    expect(document.events).toMatchObject([{ type: 'early-stop', epoch, step: epoch! * STEPS_PER_EPOCH }]);
    await equalsItsParts(document, 'fixed-parts', FIXED, [STEPS_PER_EPOCH * 2 + 1]);
    // A longer plan forgets the decision.
    const extended = await runCli([
      ...['train', '--resume', document.run, '--extend-to', '9', '--quiet', '--json'],
    ]);
    expect(extended.code, extended.stderr).toBe(0);
    expect((JSON.parse(extended.stdout) as Document).epochs.length).toBeGreaterThan(epoch!);
  });

  it('is the same with a plateau’s cut, whether it is resumed before or after it', async () => {
    const document = await trained('plateau', ...PLATEAU);
    const cut = rates(document).findIndex(({ learningRate }) => learningRate! < 0.5);
    expect(cut).toBeGreaterThan(STEPS_PER_EPOCH);
    await equalsItsParts(document, 'plateau-parts', PLATEAU, [cut - 3, cut + 1]);
  });
});

describe('1cycle', () => {
  it('anneals at once: one epoch down to the final rate, then the end; resumed anywhere', async () => {
    const document = await trained('anneal', ...CYCLE, '--on-stop', 'anneal');
    // The maximum lies at step 0.3 x 60 - 1 = 17, the last of epoch 3.
    const epoch = triggered(document, 1, 3);
    expect(epoch).toBeLessThan(9);
    expect(document.stoppedEarly).toMatchObject({ epoch: epoch! + 1 });
    expect(document.epochs).toHaveLength(epoch! + 1);
    const steps = rates(document);
    expect(steps).toHaveLength((epoch! + 1) * STEPS_PER_EPOCH);
    // 0.5 / 25 / 10^4.
    expect(steps.at(-1)).toMatchObject({ learningRate: 2e-6, momentum: 0.95 });
    const first = epoch! * STEPS_PER_EPOCH;
    expect(steps[first]!.learningRate).toBeLessThan(steps[first - 1]!.learningRate!);
    expect(lines(join(document.run, 'events.jsonl')).map((line) => JSON.parse(line) as unknown)).toEqual(
      document.events,
    );
    await equalsItsParts(document, 'anneal-parts', [...CYCLE, '--on-stop', 'anneal'], [first - 2, first + 3]);
  });

  it('waits by default: the cycle is never cut, and the report says that the stop had no effect', async () => {
    const { code, stdout, stderr } = await runCli(train('wait', ...CYCLE));
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('--early-stop 1 has no effect on 1cycle: --on-stop wait never cuts a cycle');
    const run = join(root, 'wait', '1cycle-seed0');
    expect(lines(join(run, 'steps.jsonl'))).toHaveLength(60);
    expect(stdout.replace(/\s+/g, ' ')).toContain(
      '--early-stop has no effect, for --on-stop wait never cuts a cycle.',
    );
    expect(JSON.parse(readFileSync(join(run, 'result.json'), 'utf8'))).toMatchObject({ stoppedEarly: null });
  });
});
