import { parseArgs } from 'node:util';
import { startBackend } from '../../src/engine/backends/choose.js';
import { openStep } from './our-network.js';

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

const batchNorm = values['batch-norm'] === 'train' ? 'train' : 'fold';
await startBackend('wasm');

/** Milliseconds an image, the median. */
async function timed(count: number, work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const begin = performance.now();
    await work();
    times.push((performance.now() - begin) / batch);
  }
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? NaN;
}

const msPerImage: Record<string, number> = {};
for (const trainable of values.trainable.split(',')) {
  const { engine, input, step } = await openStep({ alpha, size, batch, batchNorm }, workers, trainable);
  await timed(warmUp, step);
  msPerImage[trainable] = await timed(steps, step);
  if (trainable === 'all') msPerImage['forward'] = await timed(steps, () => engine.logits(input));
  await engine.dispose();
}
console.log(
  JSON.stringify({ engine: 'onecycle', msPerImage, peakMegabytes: process.resourceUsage().maxRSS / 1024 }),
);
