import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareRecorded } from '../../src/compare/outcome.js';
import { compareDocument } from '../../src/compare/document.js';
import type { GivenSettings } from '../../src/config/check-settings.js';
import { UsageError } from '../../src/errors.js';
import { RUN_FILES } from '../../src/runs/documents.js';
import { openResumable, resumeTraining } from '../../src/train/resume.js';
import { trainRun } from '../../src/train/run.js';
import { planTraining, train } from '../../src/train/train.js';
import { wholeBench } from '../../src/workbench/bench.js';
import { openWorkbench } from '../../src/workbench/workbench.js';
import { outcome } from '../integration/interrupted-run.js';
import { seededRandom } from '../integration/seeded-random.js';
import { type TinyHome, tinyHome, tinyRequest } from '../unit/compare/tiny-comparison.js';

/** Of each sort of run; more with TRIES. */
const TRIES = Number(process.env['TRIES'] ?? 300);
const SEED = Number(process.env['SEED'] ?? Date.now() % 1e6);

const DOCUMENTS = [RUN_FILES.config, RUN_FILES.environment, RUN_FILES.dataset, RUN_FILES.result];
const LINES = [RUN_FILES.steps, RUN_FILES.epochs, RUN_FILES.predictions];
const CHECKPOINTS = ['last', 'previous', 'best'].map((name) => join('checkpoints', `${name}.ckpt`));

let tiny: TinyHome;
let home: string;
/** Two seeds of two arms, two epochs of four steps each. */
let finished: string[];
/** A run of three epochs that was stopped in its second, the same one with another seed, and the same one at its end. */
let stopped: string;
let stranger: string;
let whole: string;
const EPOCHS = { epochs: 3, augment: 'flip' } as const;

beforeAll(async () => {
  tiny = await tinyHome({ train: 8, valid: 4 });
  home = tiny.home;
  finished = [];
  for (const seed of [0, 1]) {
    for (const policy of ['fixed', '1cycle'] as const)
      finished.push(await trained('finished', { policy, seed, epochs: 2 }));
  }
  whole = await trained('whole', EPOCHS);
  stopped = await trainedUntil(6, 'stopped', EPOCHS);
  stranger = await trainedUntil(6, 'stranger', { ...EPOCHS, seed: 5 });
});
afterAll(() => tiny.remove());

async function trained(out: string, given: GivenSettings): Promise<string> {
  return (await train(await tinyRequest(tiny, { out: join(home, out), ...given }))).run;
}

async function trainedUntil(steps: number, out: string, given: GivenSettings): Promise<string> {
  const stop = new AbortController();
  const request = await tinyRequest(tiny, given, stop.signal);
  const { config } = await planTraining(request);
  const bench = await openWorkbench(request.settings, request);
  const { run } = await trainRun(wholeBench(bench), config, {
    ...{ environment: request.environment, signal: stop.signal, out: join(home, out) },
    ...{ workers: 1, tensorboard: false },
    emit: (event) => {
      if (event.type === 'step' && event.record.step === steps - 1) stop.abort();
    },
  });
  bench.close();
  return run;
}

type Random = () => number;
type Tamper = (dir: string, random: Random, other: string) => string | undefined;

const pick = <Item>(random: Random, items: readonly Item[]): Item =>
  items[Math.floor(random() * items.length)]!;

/** Changes a text file; undefined where that changes nothing. */
function rewrite(path: string, change: (text: string) => string): boolean {
  if (!existsSync(path)) return false;
  const text = readFileSync(path, 'utf8');
  const changed = change(text);
  writeFileSync(path, changed);
  return changed !== text;
}

/** Changes the lines of a JSONL file. */
const inLines =
  (what: string, change: (lines: string[], random: Random) => string[]): Tamper =>
  (dir, random) => {
    const name = pick(random, LINES);
    const changed = rewrite(join(dir, name), (text) =>
      change(text.split('\n').slice(0, -1), random)
        .map((line) => `${line}\n`)
        .join(''),
    );
    return changed ? `${name}: ${what}` : undefined;
  };

type Json = ReturnType<typeof JSON.parse>;

/** Every value in a document with the object that holds it. */
function leaves(value: Json): { holder: Json; key: string }[] {
  return Object.entries(value as object).flatMap(([key, inner]: [string, Json]) =>
    typeof inner === 'object' && inner !== null ? leaves(inner) : [{ holder: value, key }],
  );
}

const VALUES = [0, -1, 1, 2, 0.5, 7, 1e300, 1e-300, 2 ** 53, null, true, 'x', 'wasm', 'fixed', [], {}];

function changeLeaf(document: Json, random: Random): string {
  const { holder, key } = pick(random, leaves(document));
  const value: Json = holder[key];
  const near = typeof value === 'number' ? [value + 1, value * 1.01, value / 2] : [];
  holder[key] = random() < 0.4 && near.length > 0 ? pick(random, near) : pick(random, VALUES);
  if (random() < 0.15) Reflect.deleteProperty(holder as object, key);
  return key;
}

const TAMPERS: readonly Tamper[] = [
  inLines('emptied', () => []),
  inLines('cut at the end', (lines, random) => lines.slice(0, Math.floor(random() * lines.length))),
  inLines('cut at the start', (lines, random) => lines.slice(1 + Math.floor(random() * lines.length))),
  inLines('one left out', (lines, random) => lines.toSpliced(Math.floor(random() * lines.length), 1)),
  inLines('one twice', (lines, random) => {
    const at = Math.floor(random() * lines.length);
    return lines.toSpliced(at, 0, lines[at] ?? '');
  }),
  inLines('the last twice', (lines) => [...lines, ...lines.slice(-1)]),
  inLines('reversed', (lines) => lines.toReversed()),
  inLines('two exchanged', (lines, random) => {
    const [a, b] = [Math.floor(random() * lines.length), Math.floor(random() * lines.length)];
    return lines.map((line, i) => (i === a ? (lines[b] ?? line) : i === b ? (lines[a] ?? line) : line));
  }),
  ...Array.from({ length: 4 }, () =>
    inLines('a value changed', (lines, random) => {
      const at = Math.floor(random() * lines.length);
      const document = JSON.parse(lines[at] ?? '{}') as Json;
      if (Object.keys(document as object).length > 0) changeLeaf(document, random);
      return lines.with(Math.min(at, lines.length - 1), JSON.stringify(document));
    }),
  ),
  inLines('a number too large', (lines, random) => {
    const at = Math.floor(random() * lines.length);
    return lines.with(Math.min(at, lines.length - 1), (lines[at] ?? '').replace(/[\d.]+\}/, '1e999}'));
  }),
  inLines('spaces', (lines) => lines.map((line) => line.replace(',', ', '))),
  ...Array.from({ length: 6 }, (): Tamper => (dir, random) => {
    const name = pick(random, DOCUMENTS);
    let key = '';
    const changed = rewrite(join(dir, name), (text) => {
      const document = JSON.parse(text) as Json;
      key = changeLeaf(document, random);
      return JSON.stringify(document);
    });
    return changed ? `${name}: another ${key}` : undefined;
  }),
  (dir, random) => {
    const name = pick(random, [...DOCUMENTS, ...LINES]);
    const changed = rewrite(join(dir, name), (text) => text.slice(0, Math.floor(random() * text.length)));
    return changed ? `${name}: cut short` : undefined;
  },
  (dir, random) => {
    const name = pick(random, [...DOCUMENTS, ...LINES, ...CHECKPOINTS]);
    const path = join(dir, name);
    if (!existsSync(path)) return undefined;
    const bytes = readFileSync(path);
    if (bytes.length === 0) return undefined;
    const at = Math.floor(random() * bytes.length);
    bytes[at] = bytes[at]! ^ (1 << Math.floor(random() * 8));
    writeFileSync(path, bytes);
    return `${name}: a bit`;
  },
  (dir, random) => {
    const name = pick(random, [...DOCUMENTS, ...LINES, ...CHECKPOINTS]);
    if (!existsSync(join(dir, name))) return undefined;
    rmSync(join(dir, name));
    return `${name}: removed`;
  },
  ...Array.from({ length: 2 }, (): Tamper => (dir, random, other) => {
    const name = pick(random, [...DOCUMENTS, ...LINES, ...CHECKPOINTS]);
    if (!existsSync(join(other, name))) return undefined;
    cpSync(join(other, name), join(dir, name));
    return `${name}: another run's`;
  }),
  (dir) => {
    const events = [{ type: 'early-stop', step: 4, epoch: 1, text: 'a' }];
    writeFileSync(join(dir, RUN_FILES.events), events.map((event) => `${JSON.stringify(event)}\n`).join(''));
    return `${RUN_FILES.events}: made up`;
  },
  (dir, random) => {
    const [one, two] = [pick(random, CHECKPOINTS), pick(random, CHECKPOINTS)];
    if (one === two || !existsSync(join(dir, one))) return undefined;
    cpSync(join(dir, one), join(dir, two));
    return `${two}: in its place ${one}`;
  },
];

/** Tampers until something has changed, and says what. */
function tamper(dir: string, random: Random, other: string): string {
  for (;;) {
    const what = pick(random, TAMPERS)(dir, random, other);
    if (what !== undefined) return what;
  }
}

/** What became of the tries, by what was done. */
interface Tally {
  tries: number;
  refused: number;
  same: number;
}

test(`${TRIES} tampered finished runs: refused by name, or compared as they were`, async () => {
  const random = seededRandom(SEED);
  const { settings } = await tinyRequest(tiny);
  const answer = async (dirs: readonly string[]) => {
    const outcome = await compareRecorded(dirs, settings);
    const document = compareDocument(outcome, { target: undefined, seconds: 0, trainedHere: undefined });
    const curves = outcome.runs.map(({ record: { epochs, steps } }) => ({ epochs, steps }));
    return { outcome, told: JSON.parse(JSON.stringify({ document, curves })) as object };
  };
  const dir = join(home, 'tampered', basename(finished[0]!));
  const dirs = [dir, ...finished.slice(1)];
  cpSync(finished[0]!, dir, { recursive: true });
  const { told } = await answer(dirs);
  const tally: Tally = { tries: 0, refused: 0, same: 0 };
  while (tally.tries < TRIES) {
    rmSync(dir, { recursive: true });
    cpSync(finished[0]!, dir, { recursive: true });
    const what = tamper(dir, random, pick(random, finished.slice(1)));
    tally.tries++;
    try {
      const now = await answer(dirs);
      if (now.outcome.failed.some(({ run }) => run === dir)) tally.refused++;
      else {
        expect(now.told, `seed ${SEED}, try ${tally.tries}, ${what}`).toEqual(told);
        tally.same++;
      }
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      expect(error.message, what).toContain(dir);
      tally.refused++;
    }
  }
  console.log(`tampered finished runs (seed ${SEED}): ${JSON.stringify(tally)}`);
}, 3_600_000);

test(`${TRIES} tampered interrupted runs: refused by name, or ended as they would have`, async () => {
  const random = seededRandom(SEED + 1);
  const expected = outcome(whole);
  const tally: Tally = { tries: 0, refused: 0, same: 0 };
  const dir = join(home, 'resumed', basename(stopped));
  while (tally.tries < TRIES) {
    rmSync(dir, { recursive: true, force: true });
    cpSync(stopped, dir, { recursive: true });
    // As a kill leaves it, every other time.
    if (random() < 0.5) for (const name of [RUN_FILES.result, RUN_FILES.predictions]) rmSync(join(dir, name));
    const what = tamper(dir, random, stranger);
    tally.tries++;
    const request = { ...(await tinyRequest(tiny, EPOCHS)), showPlan: () => undefined };
    try {
      const run = await openResumable(dir, {});
      try {
        await resumeTraining(run, request);
      } finally {
        await run.held?.release();
      }
      expect(outcome(dir), `seed ${SEED}, try ${tally.tries}, ${what}`).toEqual(expected);
      tally.same++;
    } catch (error) {
      if (!(error instanceof UsageError))
        throw new Error(`seed ${SEED}, try ${tally.tries}, ${what}`, { cause: error });
      // Data and weights may lie elsewhere than they did: what is said to be there is named.
      if (!/another (data|weights)$/.test(what)) expect(error.message, what).toContain(dir);
      tally.refused++;
    }
  }
  console.log(`tampered interrupted runs (seed ${SEED}): ${JSON.stringify(tally)}`);
}, 3_600_000);
