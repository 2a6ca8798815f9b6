import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GivenSettings } from '../../../src/config/check-settings.js';
import { readDefaults, type Settings } from '../../../src/config/settings.js';
import { startBackend } from '../../../src/engine/backends/choose.js';
import type { TrainRequest } from '../../../src/train/run.js';
import type { ExperimentEvent } from '../../../src/workbench/events.js';
import { describeEnvironment } from '../../../src/workbench/bench.js';
import { tinyImages, type TinyImages } from '../../integration/tiny-images.js';

/** A folder that holds a data set, and room for runs. */
export interface TinyHome {
  readonly home: string;
  readonly data: string;
  remove(): Promise<void>;
}

export async function tinyHome(images: TinyImages = {}): Promise<TinyHome> {
  const home = await mkdtemp(join(tmpdir(), 'onecycle-compare-unit-'));
  const data = join(home, 'data');
  await tinyImages(data, images);
  return { home, data, remove: () => rm(home, { recursive: true, force: true }) };
}

/** What a command hands to an experiment, and what the experiment told. */
export interface TinyRequest extends TrainRequest {
  readonly events: ExperimentEvent[];
  /** The texts of the notes among them. */
  notes(): string[];
}

/** The head alone, on few small images: two seeds, one epoch of six steps. */
const SMALL: GivenSettings = {
  ...{ imageSize: 32, trainable: 'head', views: 1, batchSize: 4, epochs: 1 },
  ...{ seeds: 2, jobs: 2, workers: 1, lr: 0.01 },
};

/** Settings of a small comparison in `home`, on wasm. */
export async function tinyRequest(
  { home, data }: TinyHome,
  given: GivenSettings = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<TinyRequest> {
  const { settings, rates } = readDefaults();
  const events: ExperimentEvent[] = [];
  return {
    settings: { ...settings, data, out: join(home, 'runs'), ...SMALL, ...given } as Settings,
    rates,
    environment: describeEnvironment(await startBackend('wasm')),
    signal,
    emit: (event) => void events.push(event),
    events,
    notes: () =>
      events.flatMap((event) => (event.type === 'note' || event.type === 'warning' ? [event.text] : [])),
  };
}
