import { cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compare } from '../../../src/compare/compare.js';
import { compareRecorded } from '../../../src/compare/outcome.js';
import { InUseError, RunError, UsageError } from '../../../src/errors.js';
import { lockRun, ownLockText } from '../../../src/runs/lock.js';
import { rewriteRun } from '../runs/rewrite-run.js';
import { type TinyHome, tinyHome, type TinyRequest, tinyRequest } from './tiny-comparison.js';

type Document = Record<string, ReturnType<typeof JSON.parse>>;

let tiny: TinyHome;
beforeAll(async () => {
  tiny = await tinyHome({ train: 12, valid: 6 });
});
afterAll(() => tiny.remove());

/** A place for the runs of one test. */
let places = 0;
const place = () => join(tiny.home, `runs-${++places}`);
const read = (...path: string[]): Document => JSON.parse(readFileSync(join(...path), 'utf8')) as Document;
/** Changes what a run's config.json says. */
const write = (dir: string, changed: object): void =>
  rewriteRun(dir, { config: (config) => void Object.assign(config, changed) });
const armFile = (name: string, content: object): string => {
  const path = join(tiny.home, name);
  writeFileSync(path, JSON.stringify(content));
  return path;
};
/** Whether anything was decoded, or trained. */
const wasTold = ({ events }: Awaited<ReturnType<typeof tinyRequest>>, type: string) =>
  events.some((event) => event.type === type);

describe('a run that another process has made since the comparison began', () => {
  /** The same request, during whose first run something happens. */
  const whileFirstTrains = (request: TinyRequest, happens: () => void): TinyRequest => ({
    ...request,
    emit: (event) => {
      request.emit(event);
      if (event.type === 'run' && event.name === 'fixed-seed0') happens();
    },
  });

  test('is taken where it has ended', async () => {
    const [out, elsewhere] = [place(), place()];
    await compare(await tinyRequest(tiny, { out: elsewhere }));
    const request = await tinyRequest(tiny, { out, jobs: 1 });
    const { status } = await compare(
      whileFirstTrains(request, () => {
        cpSync(join(elsewhere, '1cycle-seed1'), join(out, '1cycle-seed1'), { recursive: true });
      }),
    );
    expect(status).toBe('completed');
    expect(readdirSync(out).sort()).toEqual(['1cycle-seed0', '1cycle-seed1', 'fixed-seed0', 'fixed-seed1']);
    expect(request.notes().join()).toContain('1cycle-seed1 is taken from');
  });

  test('is left to that process where it is being trained, once all others are done', async () => {
    const [out, elsewhere] = [place(), place()];
    await compare(await tinyRequest(tiny, { out: elsewhere }));
    const request = await tinyRequest(tiny, { out, jobs: 1 });
    const beside = whileFirstTrains(request, () => {
      const dir = join(out, 'fixed-seed1');
      cpSync(join(elsewhere, 'fixed-seed1'), dir, { recursive: true });
      rmSync(join(dir, 'result.json'));
      writeFileSync(join(dir, '.lock'), ownLockText());
    });
    await expect(compare(beside)).rejects.toThrow(/fixed-seed1 of this comparison is being trained already/u);
    expect(readdirSync(out).sort()).toEqual(['1cycle-seed0', '1cycle-seed1', 'fixed-seed0', 'fixed-seed1']);
  });
});

describe('pairs', () => {
  test('are recorded by the runs, shifted or not, and reading pairs by them', async () => {
    const out = place();
    const request = await tinyRequest(tiny, { out, policies: ['1cycle', '1cycle@100'] });
    const { comparison, status } = await compare(request);
    expect(status).toBe('completed');
    const recorded = readdirSync(out).map((dir) => {
      const { arm, seed, pair } = read(out, dir, 'config.json');
      return { dir, arm, seed, pair };
    });
    expect(recorded).toEqual([
      { dir: '1cycle-seed0', arm: '1cycle', seed: 0, pair: 0 },
      { dir: '1cycle-seed1', arm: '1cycle', seed: 1, pair: 1 },
      { dir: '1cycle@100-seed100', arm: '1cycle@100', seed: 100, pair: 0 },
      { dir: '1cycle@100-seed101', arm: '1cycle@100', seed: 101, pair: 1 },
    ]);
    const dirs = recorded.map(({ dir }) => join(out, dir));
    const again = await compareRecorded(dirs, request.settings);
    expect(again.comparison).toEqual(comparison);
    expect(again.comparison.difference?.perSeed.map(({ seed }) => seed)).toEqual([0, 1]);

    // As an earlier version recorded them: the name says the shift.
    for (const { dir } of recorded) {
      write(join(out, dir), { pair: undefined });
    }
    expect((await compareRecorded(dirs, request.settings)).comparison).toEqual(comparison);
    const taken = await tinyRequest(tiny, { out, policies: ['1cycle', '1cycle@100'] });
    expect((await compare(taken)).comparison).toEqual(comparison);
    expect(taken.notes()).toHaveLength(4);
  });

  test.each([
    ['v2@224', 'v1'],
    ['x@1', 'x'],
    // A built-in name, but no seed 0 can have been shifted by 1.
    ['fixed@1', 'fixed'],
  ])('are the seeds where an arm was called %s without saying a pair', async (arm, baseline) => {
    const out = place();
    const runs: string[] = [];
    const request = await tinyRequest(tiny, { out, policies: ['fixed', '1cycle'] });
    for (const run of (await compare(request)).runs) {
      write(run.record.dir, { pair: undefined, arm: run.arm === 'fixed' ? baseline : arm });
      if (run.seed === 0) runs.push(run.record.dir);
    }
    const { comparison, runs: read0 } = await compareRecorded(runs, request.settings);
    expect(read0.map(({ pair }) => pair)).toEqual([0, 0]);
    expect(comparison.difference?.perSeed).toMatchObject([{ seed: 0 }]);
  });

  test('that do not exist make the comparison a failure', async () => {
    const out = place();
    const request = await tinyRequest(tiny, { out });
    const { runs } = await compare(request);
    const dirs = runs
      .filter(({ arm, seed }) => (arm === 'fixed') === (seed === 0))
      .map(({ record }) => record.dir);
    expect(dirs).toHaveLength(2);
    const { status, comparison } = await compareRecorded(dirs, request.settings);
    expect(comparison.difference?.mean).toBeNull();
    expect(comparison.warnings.join()).toContain('1 run of 1cycle and 1 run of fixed have no partner');
    expect(status).toBe('failed');
  });
});

describe('an arm as a config file', () => {
  test('owns what makes a run, with a warning where that is unfair', async () => {
    const small = armFile('small.json', { policy: '1cycle', batchSize: 8, weightDecay: 0 });
    const { comparison } = await compare(
      await tinyRequest(tiny, { out: place(), epochs: 2, policies: ['fixed', small] }),
    );
    expect(comparison.warnings.join('\n')).toMatch(/differ in batch size: 4 \(fixed\), 8 .*weight decay/s);
    expect(comparison.difference).toMatchObject({ arm: small, mean: expect.any(Number) });
  });

  test.each<[object, string]>([
    [{ seed: 5 }, '"seed"'],
    [{ policy: 'fixed', seeds: 9, out: 'x', jobs: 1 }, '"seeds", "out", "jobs"'],
    [{ splitSeed: 1 }, '"splitSeed"'],
    [{ valSplit: 0.5 }, '"valSplit"'],
    [{ backend: 'cpu' }, '"backend"'],
    [{ workers: 3 }, '"workers"'],
    [{ arm: 'other' }, '"arm"'],
    [{ pair: 1 }, '"pair"'],
    [{ minLr: 1e-3 }, '"minLr"'],
    [{ policies: ['fixed'], target: 0.5, plan: true, report: 'r', json: true, quiet: true }, '"policies"'],
  ])('is refused with %j before anything is read', async (content, keys) => {
    const path = armFile('refused.json', content);
    const request = await tinyRequest(tiny, { out: place(), policies: ['fixed', path] });
    const refusal = await compare(request).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(UsageError);
    expect((refusal as Error).message).toContain(`${path} sets ${keys}`);
    expect(request.events).toEqual([]);
  });
});

describe('what no arm can train is refused before images are decoded', () => {
  test.each<[string, object, object, RegExp]>([
    [
      'a batch of the second arm',
      {},
      { policy: '1cycle', batchSize: 25 },
      /^Arm .*own\.json: --batch-size is \d+, more than the 24 training images/,
    ],
    [
      'a batch of all arms',
      { batchSize: 1000 },
      { policy: '1cycle' },
      /^Arm fixed: --batch-size is \d+, more than the 24 training images/,
    ],
    [
      'a cycle without a warm-up',
      { batchSize: 24 },
      { policy: '1cycle', pctStart: 0.5 },
      /^Arm .*own\.json: .*no warm-up/,
    ],
    [
      'three phases of which the last has no step',
      {},
      { policy: '1cycle', threePhase: true, pctStart: 0.6 },
      /^Arm .*never anneals/,
    ],
    ['a rate for an arm that there is not', {}, { lr: { fixd: 1 } }, /--lr gives a rate to "fixd"/],
  ])('%s', async (_, given, own, message) => {
    const path = armFile('own.json', own);
    const out = place();
    const request = await tinyRequest(tiny, { out, policies: ['fixed', path], ...given });
    await expect(compare(request)).rejects.toThrow(message);
    await expect(compare(request)).rejects.toThrow(UsageError);
    expect(wasTold(request, 'decode')).toBe(false);
    expect(existsSync(out)).toBe(false);
  });

  test('and a batch once more where images turn out to be unusable', async () => {
    const data = join(tiny.home, 'broken');
    cpSync(tiny.data, data, { recursive: true });
    writeFileSync(join(data, 'train', 'ants', '0.png'), 'no picture');
    const own = armFile('all.json', { policy: '1cycle', batchSize: 24 });
    const request = await tinyRequest(tiny, { data, out: place(), policies: ['fixed', own], epochs: 9 });
    await expect(compare(request)).rejects.toThrow(
      /^Arm .*all\.json: --batch-size is \d+, more than the 23 training images/,
    );
    expect(wasTold(request, 'run')).toBe(false);
  });
});

describe('--lr auto', () => {
  const AUTO = { lr: 'auto', batchSize: 8, steps: 40, minLr: 1e-5, maxLr: 1 } as const;
  let tiny: TinyHome;
  beforeAll(async () => {
    tiny = await tinyHome({ train: 24, valid: 8 });
    return () => tiny.remove();
  });
  const place = () => join(tiny.home, `runs-${++places}`);

  test('is one range test for the arms that share it, recorded in --out, and the next comparison takes it', async () => {
    const out = place();
    const request = await tinyRequest(tiny, { ...AUTO, out, seeds: 4 });
    const { runs, comparison } = await compare(request);
    const tests = readdirSync(out).filter((name) => name.startsWith('find-lr'));
    expect(tests).toEqual(['find-lr-seed0']);
    const found = join(out, 'find-lr-seed0');
    // find-lr's own number of seeds, not those of the comparison.
    expect(read(found, 'config.json')).toMatchObject({ command: 'find-lr', seeds: 3, steps: 40 });
    expect(read(found, 'result.json')).toMatchObject({ status: 'completed', curves: { length: 3 } });
    for (const name of ['curve.svg', 'curve.png', 'curve.jsonl'])
      expect(existsSync(join(found, name))).toBe(true);
    expect(request.notes()).toEqual([`The learning rate comes from the range test in ${found}.`]);

    const { recommended } = read(found, 'suggestion.json');
    const rates = { fixed: recommended.fixedLearningRate, '1cycle': recommended.learningRate };
    expect(runs).toHaveLength(8);
    for (const { arm, record } of runs) {
      expect(record.config).toMatchObject({ lr: rates[arm as keyof typeof rates], lrFrom: found });
    }
    expect(comparison.warnings).toEqual([]);

    const again = await tinyRequest(tiny, { ...AUTO, out, seeds: 2 });
    expect((await compare(again)).status).toBe('completed');
    expect(again.events.some(({ type }) => type === 'sweep' || type === 'run')).toBe(false);
    expect(again.notes().slice(0, 1)).toEqual([`The learning rate comes from the range test in ${found}.`]);
  });

  test('is another test where an arm trains another part, and where images or seed are others', async () => {
    const out = place();
    const own = armFile('last.json', { policy: '1cycle', trainable: 'last:3' });
    await compare(await tinyRequest(tiny, { ...AUTO, out, seeds: 1, policies: ['fixed', own] }));
    const parts = () =>
      readdirSync(out)
        .filter((name) => name.startsWith('find-lr'))
        .map((name) => read(out, name, 'config.json')['trainable'] as string);
    expect(parts()).toEqual(['head', 'last:3']);
    await compare(await tinyRequest(tiny, { ...AUTO, out, seeds: 1, seed: 7 }));
    expect(parts()).toHaveLength(3);
    const data = join(tiny.home, 'fewer');
    cpSync(tiny.data, data, { recursive: true });
    rmSync(join(data, 'train', 'ants', '0.png'));
    await compare(await tinyRequest(tiny, { ...AUTO, data, out, seeds: 1 }));
    expect(parts()).toHaveLength(4);
  });

  test('fails where the test gives no rate, and says why', async () => {
    const flat = { ...AUTO, minLr: 1e-9, maxLr: 1e-8 };
    const failing = compare(await tinyRequest(tiny, { ...flat, out: place() }));
    await expect(failing).rejects.toThrow(/^--lr auto: the range test gives no rate\. .*Raise --max-lr/s);
    await expect(failing).rejects.toThrow(RunError);
  });
});

describe('said before anything is trained', () => {
  test('early stopping that spares one arm, which is unfair too', async () => {
    const request = await tinyRequest(tiny, { out: place(), earlyStop: 1, epochs: 2 });
    const { comparison } = await compare(request);
    const note = request.events.findIndex(
      (event) => 'text' in event && event.text.startsWith('--early-stop'),
    );
    expect(request.events[note]).toEqual({
      type: 'warning',
      text: '--early-stop never shortens 1cycle, whose --on-stop is wait: it can shorten fixed alone. With --on-stop anneal it ends a cycle too.',
    });
    expect(note).toBeLessThan(request.events.findIndex(({ type }) => type === 'decode'));
    expect(comparison.warnings).toContain(
      'Early stopping can shorten fixed and never 1cycle, whose --on-stop is wait: the arms have different budgets where it does.',
    );
  });

  test('nothing where it can end every arm, or none is told to', async () => {
    const request = await tinyRequest(tiny, { out: place(), earlyStop: 9, onStop: 'anneal', seeds: 1 });
    const { comparison } = await compare(request);
    expect(request.notes()).toEqual([]);
    expect(comparison.warnings).toEqual([]);
  });

  test('built-in rates that were measured on something else, once for all arms, and the one range test for both', async () => {
    const out = place();
    const request = await tinyRequest(tiny, { out, seeds: 1, lr: undefined as never });
    const { comparison, runs } = await compare(request);
    const test = join(out, 'find-lr-seed0');
    expect(request.notes()).toEqual([
      `The built-in learning rates were measured on the bundled thumbnails with mobilenet_v2_0.35_224 at 96 pixels and batches of 32, not with --data ${tiny.data}, --image-size 32, --batch-size 4: a range test finds rates that fit.`,
      `The learning rate comes from the range test in ${test}.`,
    ]);
    const { recommended } = JSON.parse(readFileSync(join(test, 'suggestion.json'), 'utf8'));
    expect(runs.map(({ record: { config } }) => [config['lr'], config['lrSource']])).toEqual([
      [recommended.fixedLearningRate, 'range-test'],
      [recommended.learningRate, 'range-test'],
    ]);
    expect(comparison.arms.map(({ rates }) => rates.map(({ source }) => source))).toEqual([
      ['range-test'],
      ['range-test'],
    ]);
  });

  test('--rates trains neighbours beside each arm, and takes each seed where the others do best', async () => {
    const out = place();
    const given = { out, rates: 2, lr: { fixed: 0.01, '1cycle': 0.02 } };
    const { comparison, status } = await compare(await tinyRequest(tiny, given));
    expect(status).toBe('completed');
    expect(comparison.verdict.rates).toBe('tuned');
    const rates = comparison.arms.map((arm) =>
      arm.rates.map(({ learningRate, runs }) => [learningRate, runs]),
    );
    expect(rates).toEqual([
      [0.005, 0.01, 0.02].map((rate) => [rate, 2]),
      [0.01, 0.02, 0.04].map((rate) => [rate, 2]),
    ]);
    for (const { runs, rates: all } of comparison.arms) {
      expect(runs).toHaveLength(2);
      expect(all.reduce((sum, { chosen }) => sum + chosen, 0)).toBe(2);
    }
    // Reading what was trained says the same, and training again trains nothing.
    const { settings } = await tinyRequest(tiny, given);
    expect((await compareRecorded([out], settings)).comparison).toEqual(comparison);
    const again = await tinyRequest(tiny, given);
    await compare(again);
    expect(again.notes().filter((text) => text.includes('is taken from'))).toHaveLength(12);
  });
});

describe('a run that another process trains', () => {
  test('is refused at the start, naming the process; other runs in --out are not its business', async () => {
    const out = place();
    const first = await tinyRequest(tiny, { out, seeds: 1 });
    const { runs } = await compare(first);
    // As it stands while it is trained: locked, and without a result.
    const { dir } = runs[0]!.record;
    rmSync(join(dir, 'result.json'));
    const lock = await lockRun(dir);
    const second = await tinyRequest(tiny, { out, seeds: 1 });
    const refusal = await compare(second).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(InUseError);
    expect((refusal as Error).message).toMatch(
      new RegExp(
        `^fixed-seed0 of this comparison is being trained already: .*fixed-seed0 is in use by process ${process.pid} .*another --out`,
      ),
    );
    expect(wasTold(second, 'run')).toBe(false);

    const others = await tinyRequest(tiny, { out, seeds: 1, seed: 5 });
    expect((await compare(others)).status).toBe('completed');

    const listed = await compareRecorded(
      runs.map(({ record }) => record.dir),
      first.settings,
    );
    expect(listed.failed[0]?.reason).toMatch(
      /^not finished after 1 of 1 epoch \(6 steps\): .* is in use by process/,
    );
    await lock.release();
    const free = await tinyRequest(tiny, { out, seeds: 1 });
    expect((await compare(free)).comparison.differences).toMatchObject([{ mean: expect.any(Number) }]);
    expect(free.notes().join('\n')).toMatch(/fixed-seed0 goes on in .*\n1cycle-seed0 is taken from/);
  });
});
