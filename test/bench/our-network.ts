import type { Engine, FeatureShape, NetworkInput } from '../../src/engine/engine.js';
import { openEngine } from '../../src/engine/open-engine.js';
import { firstTrainableBlock, initHead } from '../../src/model/network.js';
import { randomStream } from '../../src/random.js';
import type { StepCase } from './bench-peers.js';
import { foldedMobileNetV2, randomMobileNetV2 } from './random-mobilenet.js';

const CLASSES = 10;
const RATES = { learningRate: 1e-4, momentum: 0.9 };

/** A case's network in this process, and a step of it on random images or, where a part is frozen, on random outputs of that. */
export async function openStep(
  { alpha, size, batch, batchNorm }: Pick<StepCase, 'alpha' | 'size' | 'batch' | 'batchNorm'>,
  workers: number,
  trainable = 'all',
): Promise<{
  readonly engine: Engine;
  readonly input: NetworkInput;
  /** Answers its milliseconds. */
  readonly step: () => Promise<number>;
}> {
  const network = batchNorm === 'train' ? randomMobileNetV2 : foldedMobileNetV2;
  const { backbone, parameters } = network(alpha);
  const head = initHead(backbone.features, CLASSES, 0);
  const firstTrained = firstTrainableBlock(backbone, trainable as 'all');
  const setup = { backbone, parameters, head, firstTrained, imageSize: size };
  const optimizer = { labelSmoothing: 0, weightDecay: 0, headLrMultiplier: 1 };
  const engine = await openEngine({ ...setup, ...optimizer }, batch, workers);
  const stream = randomStream(0, 'images');
  const labels = Int32Array.from({ length: batch }, () => stream.integer(CLASSES));
  const input = randomInput(batch, engine.featureShape, () => 2 * stream.uniform() - 1);
  const step = async () => {
    const begin = performance.now();
    await engine.step(input, labels, RATES);
    return performance.now() - begin;
  };
  return { engine, input, step };
}

/** In memory that threads share. */
function randomInput(batch: number, shape: FeatureShape, number: () => number): NetworkInput {
  const values = new Float32Array(new SharedArrayBuffer(batch * shape[0] * shape[1] * shape[2] * 4));
  for (let i = 0; i < values.length; i++) values[i] = number();
  return { kind: 'features', values, shape };
}
