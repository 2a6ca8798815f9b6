import { parseArgs } from 'node:util';
import { startWasm } from '../../src/backend/wasm/start.js';
import { initHead } from '../../src/model/init-head.js';
import { randomStream } from '../../src/random/streams.js';
import { openEngine } from '../../src/training/open-engine.js';
import { randomMobileNetV2 } from './random-mobilenet.js';

// One measurement in a process of its own: a full fine-tuning step of MobileNetV2, all weights trained,
// on the same work as torch_mobilenet.py. Prints one JSON line.
const { values } = parseArgs({
  options: {
    alpha: { type: 'string', default: '0.35' },
    size: { type: 'string', default: '96' },
    batch: { type: 'string', default: '32' },
    workers: { type: 'string', default: '2' },
    steps: { type: 'string', default: '12' },
  },
});
const [alpha, size, batch, workers, steps] = [values.alpha, values.size, values.batch, values.workers, values.steps].map(
  Number,
) as [number, number, number, number, number];
const CLASSES = 10;
const WARM_UP = 4;

await startWasm();
const { backbone, parameters } = randomMobileNetV2(alpha);
const head = initHead(backbone.features, CLASSES, 0);
const optimizer = { labelSmoothing: 0, weightDecay: 0, headLrMultiplier: 1 };
const engine = openEngine({ backbone, parameters, head, firstTrained: 0, imageSize: size, ...optimizer }, batch, workers);
const stream = randomStream(0, 'images');
const pixels = new Float32Array(new SharedArrayBuffer(batch * size * size * 3 * 4)).map(() => 2 * stream.uniform() - 1);
const shared = new Float32Array(new SharedArrayBuffer(pixels.byteLength));
shared.set(pixels);
const labels = Int32Array.from({ length: batch }, () => stream.integer(CLASSES));
const input = { kind: 'features', values: shared, shape: [size, size, 3] } as const;

const full: number[] = [];
const forward: number[] = [];
for (let i = 0; i < steps + WARM_UP; i++) {
  const begin = performance.now();
  await engine.step(input, labels, { learningRate: 1e-4, momentum: 0.9 });
  const end = performance.now();
  if (i >= WARM_UP) full.push((end - begin) / batch);
}
for (let i = 0; i < steps; i++) {
  const begin = performance.now();
  await engine.logits(input);
  forward.push((performance.now() - begin) / batch);
}
await engine.dispose();
const median = (list: number[]) => list.toSorted((a, b) => a - b)[list.length >> 1];
console.log(
  JSON.stringify({
    msPerImage: { full: median(full), forward: median(forward) },
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
    workers: engine.workers,
    sliceSize: engine.sliceSize,
  }),
);
