import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initHead } from '../../src/model/network.js';
import { saveLayersModel } from '../../src/model/save.js';
import { tinyImages } from '../integration/tiny-images.js';
import { ROOT, runOnecycle } from './bench-child.js';
import type { StepCase } from './bench-peers.js';
import { ratios, spread, type Spread } from './bench-spread.js';
import { foldedMobileNetV2 } from './random-mobilenet.js';

/** This build and another one on the same command. */
export interface AgainstRow {
  readonly key: string;
  readonly trainable: string;
  /** Milliseconds an image: an epoch of `onecycle train`, its evaluation of two images included, after the first one. */
  readonly msPerImage: { readonly ours: Spread; readonly theirs: Spread };
  readonly peakMegabytes: { readonly ours: number; readonly theirs: number };
  /** Ours over theirs, round by round: below 1 is faster. */
  readonly ratio: Spread;
}

/** Epochs of a measured run. The first one also computes what is stored of the frozen part. */
const EPOCHS = { all: 4, 'last:11': 6, head: 6 } as const;

const CLASSES = ['ants', 'bees'];

/** What a built checkout needs and the folder has not. */
export function missingPart(folder: string): string | undefined {
  return ['bin/onecycle.js', 'dist/cli/main.js', 'node_modules'].find(
    (part) => !existsSync(join(folder, part)),
  );
}

/** `onecycle train` of both builds, in turns. It is all that two builds with other files inside have in common. */
export async function benchAgainst(
  work: StepCase,
  other: string,
  rounds: number,
  say: (line: string) => void,
): Promise<AgainstRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'onecycle-bench-'));
  try {
    const weights = await saveRandomNetwork(folder, work);
    const data = join(folder, 'data');
    const images = work.steps * work.batch;
    await tinyImages(data, { classes: CLASSES, train: images / CLASSES.length, valid: 1, side: 64 });
    const rows: AgainstRow[] = [];
    for (const [trainable, epochs] of Object.entries(EPOCHS)) {
      const measured = { ours: [] as Measured[], theirs: [] as Measured[] };
      const options = {
        ...{ data, weights, trainable, epochs, views: 1, lr: 1e-6 },
        ...{ 'image-size': work.size, 'batch-size': work.batch },
      };
      for (let round = 1; round <= rounds; round++) {
        say(`${work.key}, ${trainable} trained, round ${round} of ${rounds}: both builds`);
        const measure = {
          ours: async () => measured.ours.push(await train(ROOT, folder, options, images)),
          theirs: async () => measured.theirs.push(await train(other, folder, options, images)),
        };
        // Every second round the other way about: what the first run of a pair does to the machine's caches hits both.
        for (const side of round % 2 === 1 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const)) {
          await measure[side]();
        }
      }
      rows.push(rowOf(work.key, trainable, measured));
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Measured {
  readonly msPerImage: number;
  readonly peakMegabytes: number;
}

function rowOf(
  key: string,
  trainable: string,
  { ours, theirs }: { readonly ours: readonly Measured[]; readonly theirs: readonly Measured[] },
): AgainstRow {
  const times = (runs: readonly Measured[]) => runs.map(({ msPerImage }) => msPerImage);
  const peak = (runs: readonly Measured[]) => Math.max(...runs.map(({ peakMegabytes }) => peakMegabytes));
  return {
    key,
    trainable,
    msPerImage: { ours: spread(times(ours)), theirs: spread(times(theirs)) },
    peakMegabytes: { ours: peak(ours), theirs: peak(theirs) },
    ratio: ratios(times(ours), times(theirs)),
  };
}

async function train(
  root: string,
  folder: string,
  options: Readonly<Record<string, string | number>>,
  images: number,
): Promise<Measured> {
  const out = await mkdtemp(join(folder, 'out-'));
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const args = ['train', ...flags, '--out', out, '--backend', 'wasm', '--json', '--quiet'];
  const { stdout, peakMegabytes } = await runOnecycle(args, root, { ONECYCLE_CACHE_SIZE: '0' });
  const { epochs } = JSON.parse(stdout) as { epochs: { seconds: number }[] };
  const later = epochs.slice(1).map(({ seconds }) => (1000 * seconds) / images);
  return { msPerImage: spread(later).median, peakMegabytes };
}

async function saveRandomNetwork(folder: string, { alpha, size }: StepCase): Promise<string> {
  const { backbone, parameters } = foldedMobileNetV2(alpha);
  const head = initHead(backbone.features, CLASSES.length, 0);
  const files = saveLayersModel({ backbone, parameters, head, classNames: CLASSES, imageSize: size });
  for (const name of ['model.json', 'weights.bin'] as const) await writeFile(join(folder, name), files[name]);
  return join(folder, 'model.json');
}
