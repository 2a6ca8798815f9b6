import type { Engine } from '../../src/engine/engine.js';
import { openEngine } from '../../src/engine/open-engine.js';
import { initHead } from '../../src/model/network.js';
import { randomStream } from '../../src/random.js';
import type { StepCase } from './bench-peers.js';
import { foldedMobileNetV2, randomMobileNetV2 } from './random-mobilenet.js';

const CLASSES = 10;

/** A case's network with all weights trained, and a step of it on random images, in this process. */
export async function openStep(
  work: StepCase,
  workers: number,
): Promise<{ engine: Engine; step: () => Promise<number> }> {
  const network = work.batchNorm === 'train' ? randomMobileNetV2 : foldedMobileNetV2;
  const { backbone, parameters } = network(work.alpha);
  const head = initHead(backbone.features, CLASSES, 0);
  const setup = { backbone, parameters, head, firstTrained: 0, imageSize: work.size };
  const optimizer = { labelSmoothing: 0, weightDecay: 0, headLrMultiplier: 1 };
  const engine = await openEngine({ ...setup, ...optimizer }, work.batch, workers);
  const shape = engine.featureShape;
  const stream = randomStream(0, 'images');
  const labels = Int32Array.from({ length: work.batch }, () => stream.integer(CLASSES));
  const values = new Float32Array(new SharedArrayBuffer(work.batch * shape[0] * shape[1] * shape[2] * 4));
  for (let i = 0; i < values.length; i++) values[i] = 2 * stream.uniform() - 1;
  const step = async () => {
    const begin = performance.now();
    await engine.step({ kind: 'features', values, shape }, labels, { learningRate: 1e-4, momentum: 0.9 });
    return performance.now() - begin;
  };
  return { engine, step };
}
