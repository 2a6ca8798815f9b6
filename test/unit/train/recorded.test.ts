import { expect, test } from 'vitest';
import { fairnessWarnings } from '../../../src/compare/fairness.js';
import { readRuns } from '../../../src/compare/read.js';
import { findRecorded, pairOf, recordedRunKey } from '../../../src/train/recorded.js';
import type { JsonObject } from '../../../src/runs/json.js';
import { lockRun } from '../../../src/runs/lock.js';
import { readRun } from '../../../src/runs/read-run.js';
import { freshFolder } from '../runs/fresh-folder.js';
import { ENVIRONMENT, makeRun } from '../compare/recorded-runs.js';

const keyOf = async (dir: string) => recordedRunKey(await readRun(dir));
const keyWith = async (more: Parameters<typeof makeRun>[1]) => keyOf(await makeRun(freshFolder(), more));

test.each<[JsonObject, number]>([
  // Recorded: whatever the name says.
  [{ arm: '1cycle@100', seed: 100, pair: 7 }, 7],
  [{ arm: 'fixed', seed: 3, pair: 3 }, 3],
  // Not recorded: the seed,
  [{ arm: 'fixed', seed: 3 }, 3],
  [{ policy: 'fixed', seed: 3 }, 3],
  [{ arm: 'v2@224', seed: 0 }, 0],
  [{ arm: 'v2@224', seed: 300 }, 300],
  [{ arm: 'x@1', seed: 1 }, 1],
  [{ arm: 'constructor@1', seed: 1 }, 1],
  // or what --policies made of it.
  [{ arm: 'fixed@100', seed: 102 }, 2],
  [{ arm: '1cycle:linear@7', seed: 7 }, 0],
  [{ arm: 'arms/x.json@3', seed: 4 }, 1],
  [{ arm: 'warm@home.json', seed: 4 }, 4],
  [{ arm: 'fixed@100', seed: 2 }, 2],
])('the pair of %j is %d', (config, pair) => {
  expect(pairOf(config)).toBe(pair);
});

test('the key tells what would come out otherwise, and nothing else', async () => {
  const key = await keyWith({});
  for (const same of [
    { config: { data: 'elsewhere', weights: 'w', valSplit: 0.5, splitSeed: 4, followLinks: true } },
    { config: { lrFrom: 'runs/find-lr-seed0' } },
    { config: { pair: 0 } },
    { config: { labels: 'table.csv', classDepth: 2 } },
    { dataset: { labels: { file: 'table.csv', sha256: 'a' } } },
    // What older versions did without a word.
    { config: { batchNorm: 'fold', bnMomentum: null, stemStride: 2, alpha: null } },
    { environment: { node: 'v22', cpu: 'another', cores: 64, jobs: 9, workers: 3 } },
    { status: null },
  ]) {
    expect(await keyWith(same)).toBe(key);
  }
  for (const other of [
    { seed: 1 },
    { arm: '1cycle' },
    { config: { pair: 1 } },
    { config: { lr: 0.5 } },
    { config: { batchNorm: 'train' } },
    { config: { stemStride: 1 } },
    { environment: { backend: 'cpu' } },
    { environment: { arithmetic: 'fused' } },
    { environment: { onecycle: '0.2.0' } },
    { dataset: { weightsSha256: 'v' } },
    { dataset: { files: { train: [], valid: [] } } },
    { dataset: { classes: ['other', 'names'] } },
  ]) {
    expect(await keyWith(other)).not.toBe(key);
  }
});

const part = (fromStep: number | null, more: JsonObject) => ({ fromStep, ...ENVIRONMENT, ...more });

test.each<[string, JsonObject, JsonObject, string]>([
  [
    'version, as the history says it',
    { onecycle: '0.2.0', history: [part(0, {}), part(3, { onecycle: '0.2.0' })] },
    {},
    'version of onecycle 0.1.0, then 0.2.0',
  ],
  [
    'arithmetic, and back again',
    { history: [part(0, {}), part(3, { arithmetic: 'fused' }), part(5, {})] },
    {},
    'how a product is added to a sum separate, then fused',
  ],
  [
    'backend, as versions without a history wrote it',
    { backend: 'wasm+cpu' },
    { backend: 'wasm+cpu' },
    'backend wasm, then cpu',
  ],
  [
    'version, which versions without a history wrote into result.json alone',
    {},
    { onecycle: '0.2.0' },
    'version of onecycle 0.1.0, then 0.2.0',
  ],
])('a run whose parts differ in %s passes for no run of one', async (_, environment, last, told) => {
  const result = { environment: { ...ENVIRONMENT, ...last } };
  const mixed = await makeRun(freshFolder(), { environment, result });
  const keys = await Promise.all(
    [{}, { onecycle: '0.2.0' }, { arithmetic: 'fused' }, { backend: 'cpu' }].map((pure) =>
      keyWith({ environment: pure }),
    ),
  );
  expect(keys).not.toContain(await keyOf(mixed));

  const out = freshFolder();
  const other = await makeRun(out, { arm: '1cycle', environment, result });
  const { finished } = await readRuns([mixed, other]);
  // Both alike: the arms do not differ, but neither is what it seems.
  expect(fairnessWarnings(finished)).toEqual([
    `fixed with seed 0 was computed in parts that differ: ${told}.`,
    `1cycle with seed 0 was computed in parts that differ: ${told}.`,
  ]);
  const pure = await makeRun(out, { arm: 'pure' });
  const [warning] = fairnessWarnings((await readRuns([mixed, pure])).finished);
  expect(warning).toMatch(/^The runs differ in .*, then .* \(fixed\), .* \(pure\)\.$/);
});

test('parts on other machines do not compare in seconds, and that is all', async () => {
  const environment = { history: [part(0, {}), part(3, { cpu: 'another' })] };
  const { finished } = await readRuns([await makeRun(freshFolder(), { environment })]);
  expect(fairnessWarnings(finished)).toEqual([
    'The runs were timed on different machines, so their seconds do not compare. Steps and accuracies do.',
  ]);
  expect(finished[0]!.key).toBe(await keyWith({}));
});

test('what lies in --out: ended, resumable or running', async () => {
  const out = freshFolder();
  const ended = await makeRun(out, { seed: 0 });
  const diverged = await makeRun(out, { seed: 1, status: 'failed', result: { failure: { message: 'NaN' } } });
  const killed = await makeRun(out, { seed: 2, status: null });
  const interrupted = await makeRun(out, { seed: 3, status: 'interrupted' });
  const running = await makeRun(out, { seed: 4, status: null });
  const lock = await lockRun(running);
  const broken = await makeRun(out, { seed: 5, status: null, checkpoint: false });
  const states = async () => {
    const found = await findRecorded(out);
    return Promise.all(
      [ended, diverged, killed, interrupted, running, broken].map(
        async (dir) => found.get(await keyOf(dir))?.state,
      ),
    );
  };
  expect(await states()).toEqual(['ended', 'ended', 'resumable', 'resumable', 'running', undefined]);
  expect((await findRecorded(out)).get(await keyOf(running))?.owner).toContain(`process ${process.pid}`);
  await lock.release();
  expect((await states())[4]).toBe('resumable');

  // Of several with one key: the ended one, else the running one.
  const again = await makeRun(out, { seed: 2 });
  expect((await findRecorded(out)).get(await keyOf(killed))).toMatchObject({ dir: again, state: 'ended' });
});

test('no folder of runs holds none', async () => {
  expect(await findRecorded(`${freshFolder()}/nowhere`)).toEqual(new Map());
});
