import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { ROOT, runScript } from './bench-child.js';
import { ratios, spread, type Spread } from './bench-spread.js';

/** How fast images come in, beside bare sharp. */
export interface DecodeRate {
  readonly images: string;
  readonly perSecond: Spread;
  readonly sharpPerSecond: Spread;
  /** Ours over theirs: above 1 is faster. */
  readonly ratio: Spread;
}

/** Share of the time after the first epoch in which the trainer waits for data. */
export interface DataWait {
  readonly trainable: string;
  readonly share: Spread;
}

export interface Pipeline {
  readonly decoding: readonly DecodeRate[];
  readonly waiting: readonly DataWait[];
}

const BUNDLED = join(ROOT, 'data/cifar10-mini');

/** @param photographs an image folder of JPEGs; where none is given some are made up */
export async function benchPipeline(photographs: string | undefined): Promise<Pipeline> {
  const made = photographs === undefined ? await makePhotographs() : undefined;
  try {
    const kind = made === undefined ? `JPEGs of ${photographs}` : 'made-up JPEGs of 500 x 375';
    return {
      decoding: [
        await decodeRate('bundled PNGs', BUNDLED, 96),
        await decodeRate(kind, photographs ?? made ?? '', 224),
      ],
      waiting: [await dataWait('all'), await dataWait('last:11')],
    };
  } finally {
    if (made !== undefined) await rm(made, { recursive: true, force: true });
  }
}

async function decodeRate(images: string, data: string, size: number): Promise<DecodeRate> {
  const { perSecond } = await runScript<{ perSecond: { onecycle: number[]; sharp: number[] } }>(
    'decode-rate.ts',
    ['--data', data, '--size', String(size)],
  );
  return {
    images,
    perSecond: spread(perSecond.onecycle),
    sharpPerSecond: spread(perSecond.sharp),
    ratio: ratios(perSecond.onecycle, perSecond.sharp),
  };
}

async function dataWait(trainable: string): Promise<DataWait> {
  const { shares } = await runScript<{ shares: number[] }>('data-wait.ts', ['--trainable', trainable]);
  return { trainable, share: spread(shares) };
}

/** Coloured noise, blurred: about as hard to decode as a photograph. */
async function makePhotographs(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onecycle-bench-'));
  for (const name of ['train/a', 'train/b', 'val/a', 'val/b']) {
    await mkdir(join(folder, name), { recursive: true });
    for (let i = 0; i < 40; i++) {
      const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
      await sharp({ create: { width: 500, height: 375, channels: 3, background: '#888', noise } })
        .blur(1.5)
        .jpeg({ quality: 90 })
        .toFile(join(folder, name, `${i}.jpg`));
    }
  }
  return folder;
}
