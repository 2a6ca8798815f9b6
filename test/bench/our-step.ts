import { parseArgs } from 'node:util';
import { startBackend } from '../../src/engine/backends/choose.js';
import type { Engine, FeatureShape, NetworkInput } from '../../src/engine/engine.js';
import { openEngine } from '../../src/engine/open-engine.js';
import { firstTrainableBlock, initHead } from '../../src/model/network.js';
import { randomStream } from '../../src/random.js';
import { foldedMobileNetV2, randomMobileNetV2 } from './random-mobilenet.js';

// One measurement in a process of its own: full fine-tuning steps of MobileNetV2 on the same work as
// torch_mobilenet.py, with all weights trained, with the last 11 blocks and with the head alone; the latter two start
// from the frozen part's stored outputs, as a run does. Prints one JSON line.
const { values } = parseArgs({
  options: {
    alpha: { type: 'string', default: '0.35' },
    size: { type: 'string', default: '96' },
    batch: { type: 'string', default: '32' },
    workers: { type: 'string', default: '2' },
    steps: { type: 'string', default: '12' },
    'warm-up': { type: 'string', default: '3' },
    trainable: { type: 'string', default: 'all,last:11,head' },
    /** fold, or train: in training mode after every convolution. */
    'batch-norm': { type: 'string', default: 'fold' },
  },
});
const [alpha, size, batch, workers, steps, warmUp] = [
  values.alpha,
  values.size,
  values.batch,
  values.workers,
  values.steps,
  values['warm-up'],
].map(Number) as [number, number, number, number, number, number];
const CLASSES = 10;
const RATES = { learningRate: 1e-4, momentum: 0.9 };

await startBackend('wasm');
const network = values['batch-norm'] === 'train' ? randomMobileNetV2 : foldedMobileNetV2;
const { backbone, parameters } = network(alpha);
const head = initHead(backbone.features, CLASSES, 0);
const stream = randomStream(0, 'images');
const labels = Int32Array.from({ length: batch }, () => stream.integer(CLASSES));
const optimizer = { labelSmoothing: 0, weightDecay: 0, headLrMultiplier: 1 };

/** Random images, or features, in memory that threads share. */
function randomInput(shape: FeatureShape): NetworkInput {
  const numbers = new Float32Array(new SharedArrayBuffer(batch * shape[0] * shape[1] * shape[2] * 4));
  for (let i = 0; i < numbers.length; i++) numbers[i] = 2 * stream.uniform() - 1;
  return { kind: 'features', values: numbers, shape };
}

async function timed(count: number, work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const begin = performance.now();
    await work();
    times.push((performance.now() - begin) / batch);
  }
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? NaN;
}

async function measured(engine: Engine): Promise<{ step: number; forward: number }> {
  const input = randomInput(engine.featureShape);
  const step = () => engine.step(input, labels, RATES);
  await timed(warmUp, step);
  return { step: await timed(steps, step), forward: await timed(steps, () => engine.logits(input)) };
}

const msPerImage: Record<string, number> = {};
for (const trainable of values.trainable.split(',')) {
  const firstTrained = firstTrainableBlock(backbone, trainable as 'all');
  const setup = { backbone, parameters, head, firstTrained, imageSize: size, ...optimizer };
  const engine = await openEngine(setup, batch, workers);
  const { step, forward } = await measured(engine);
  msPerImage[trainable] = step;
  if (firstTrained === 0) msPerImage['forward'] = forward;
  await engine.dispose();
}
console.log(
  JSON.stringify({ engine: 'onecycle', msPerImage, peakMegabytes: process.resourceUsage().maxRSS / 1024 }),
);
