import { beforeEach, describe, expect, it } from 'vitest';
import { linkSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDefaults } from '../../src/config/settings.js';
import { startBackend } from '../../src/engine/backends/choose.js';
import { runFinder } from '../../src/find-lr/find-lr.js';
import { train } from '../../src/train/train.js';
import type { ExperimentEvent } from '../../src/workbench/events.js';
import { describeEnvironment } from '../../src/workbench/bench.js';
import { lines, runFolders } from './interrupted-run.js';
import { tinyImages } from './tiny-images.js';

/** Enough further validation images that the first epoch has begun long before the last of them is decoded. */
const MORE = 1000;

let root: string;
let data: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-decoding-'));
  data = join(root, 'data');
  await tinyImages(data, { train: 8, valid: 4 });
  for (let i = 0; i < MORE; i++) linkSync(join(data, 'val/ants/0.png'), join(data, `val/ants/more${i}.png`));
  return () => rm(root, { recursive: true, force: true });
});

/** Runs `work` with few steps on the images, into a folder of its own. */
async function follow(name: string, work: typeof train) {
  const events: ExperimentEvent[] = [];
  const { settings, rates } = readDefaults();
  const own = { data, imageSize: 32, batchSize: 4, epochs: 2, steps: 12, seeds: 1 };
  await work({
    settings: { ...settings, ...own, trainable: 'last:2', out: join(root, name) },
    rates,
    environment: describeEnvironment(await startBackend('wasm')),
    emit: (event) => events.push(event),
    signal: new AbortController().signal,
  });
  const [folder = '', ...others] = runFolders(join(root, name));
  expect(others).toEqual([]);
  return { events, folder };
}

const isFirstStep = (event: ExperimentEvent) => event.type === 'step' && event.record.step === 0;
const isDecoded = (event: ExperimentEvent) => event.type === 'decode' && event.done === event.total;
const notes = (events: readonly ExperimentEvent[]) =>
  events.flatMap((event) => (event.type === 'note' || event.type === 'warning' ? [event.text] : []));

describe('training while images are being decoded', () => {
  it('takes its first step before the last image is there, and begins its record with all of them', async () => {
    const { events, folder } = await follow('hoped', train);
    expect(events.filter(isFirstStep)).toHaveLength(1);
    expect(events.findIndex(isFirstStep)).toBeLessThan(events.findIndex(isDecoded));
    expect(events.findIndex(({ type }) => type === 'recorded')).toBeGreaterThan(events.findIndex(isDecoded));
    expect(lines(join(folder, 'steps.jsonl'))).toHaveLength(8);
  });

  it('begins again where an image cannot be decoded, and ends as if that had never been there', async () => {
    const { folder: without } = await follow('without', train);
    // Validation images are decoded last: by then there are steps that hoped for it.
    writeFileSync(join(data, 'val/bees/zzz.png'), 'no picture');
    const { events, folder } = await follow('with', train);
    expect(events.filter(isFirstStep)).toHaveLength(2);
    expect(notes(events)).toEqual(
      expect.arrayContaining([
        expect.stringContaining('skipped val/bees/zzz.png'),
        'starting again without the images that cannot be used',
      ]),
    );
    // What was said of the options is not said again.
    expect(notes(events)).toEqual([...new Set(notes(events))]);
    for (const name of ['steps.jsonl', 'predictions.jsonl', join('model', 'weights.bin')]) {
      expect(readFileSync(join(folder, name)).equals(readFileSync(join(without, name))), name).toBe(true);
    }
  });

  it('leaves nothing behind where the images turn out to be too few', async () => {
    await tinyImages(data, { classes: ['wasps'], train: 4, valid: 0 });
    writeFileSync(join(data, 'val/wasps/zzz.png'), 'no picture');
    await expect(follow('few', train)).rejects.toThrow('No validation image of "wasps"');
    expect(runFolders(join(root, 'few'))).toEqual([]);
  });
});

describe('find-lr while images are being decoded', () => {
  it('draws the curve that it draws where the image that cannot be decoded is not there', async () => {
    const find: typeof train = async ({ settings, ...context }) => {
      await runFinder(settings, context);
      return undefined as never;
    };
    const { folder: without } = await follow('without', find);
    writeFileSync(join(data, 'val/bees/zzz.png'), 'no picture');
    const { folder, events } = await follow('with', find);
    expect(notes(events).at(-1)).toBe('starting again without the images that cannot be used');
    const curve = readFileSync(join(folder, 'curve.jsonl'), 'utf8');
    expect(curve).toBe(readFileSync(join(without, 'curve.jsonl'), 'utf8'));
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});
