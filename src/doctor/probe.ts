import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { type DecodedImage, WHOLE } from '../data/images/image.js';
import { BACKENDS, Unavailable } from '../engine/backends/backend-info.js';
import { tryBackend } from '../engine/backends/choose.js';
import { openEngine } from '../engine/open-engine.js';
import { messageOf } from '../errors.js';
import { loadBackbone } from '../model/load/backbone.js';
import { bundledWeights, resolveWeights } from '../model/load/weights.js';
import { initHead } from '../model/network.js';
import type { BackendProbe } from '../runs/documents.js';

/** The work that is measured: the bundled network, all of it trained, on thumbnails. */
const IMAGE_SIZE = 96;
const CLASSES = 10;
const SECONDS = 2;
/** A batch that even the slowest backend gets through. */
const FIRST_BATCH = 1;
const BATCH = 32;

// A process that tries one backend: what a bad driver brings down is this and not its parent. It prints one line of
// JSON when the backend is up, and another when its speed is known.
const name = BACKENDS.find((known) => known === process.argv[2]);
if (name === undefined) throw new Error('probe-backend wants the name of a backend');

const print = (probe: BackendProbe) => process.stdout.write(`${JSON.stringify(probe)}\n`);
try {
  const info = await tryBackend(name, { gpuOnly: false, debug: false });
  const software = name === 'webgpu' && !info.gpu;
  const why = software ? 'a software adapter: auto passes it by, its speed is not measured' : null;
  print({
    name,
    works: true,
    info,
    imagesPerSecond: null,
    why: why ?? 'there was no time to measure its speed',
  });
  if (!software) print({ name, works: true, info, imagesPerSecond: await measureSpeed(), why: null });
} catch (error) {
  const reason = messageOf(error);
  const { why, remedy } =
    error instanceof Unavailable ? error : { why: `it fails: ${reason}`, remedy: 'Use another backend.' };
  print({ name, works: false, why, remedy });
}

/** Training images per second on the current backend, over about two seconds after a first small step. */
async function measureSpeed(): Promise<number> {
  const { backbone, parameters } = await loadBackbone(resolveWeights(bundledWeights()[0] ?? ''));
  const setup = {
    backbone,
    parameters,
    head: initHead(backbone.features, CLASSES, 0),
    firstTrained: 0,
    imageSize: IMAGE_SIZE,
    labelSmoothing: 0,
    weightDecay: 0,
    headLrMultiplier: 1,
  };
  const engine = await openEngine(setup, BATCH, availableParallelism());
  const step = (count: number) => {
    const images = greyImages(count);
    const input = { kind: 'images', images, boxes: images.map(() => WHOLE) } as const;
    return engine.step(input, new Int32Array(count), { learningRate: 1e-6, momentum: 0.9 });
  };
  try {
    // The first step compiles and allocates; a slow backend's answer is this step alone.
    const started = performance.now();
    await step(FIRST_BATCH);
    const first = (performance.now() - started) / 1000;
    if (first > SECONDS) return FIRST_BATCH / first;
    await step(BATCH);
    let images = 0;
    const begun = performance.now();
    do {
      await step(BATCH);
      images += BATCH;
    } while (performance.now() - begun < SECONDS * 1000);
    return images / ((performance.now() - begun) / 1000);
  } finally {
    await engine.dispose();
  }
}

function greyImages(count: number): DecodedImage[] {
  const pixels = new Uint8Array(new SharedArrayBuffer(IMAGE_SIZE * IMAGE_SIZE * 3)).fill(128);
  return Array.from({ length: count }, () => ({
    pixels,
    height: IMAGE_SIZE,
    width: IMAGE_SIZE,
    downscaled: false,
  }));
}
