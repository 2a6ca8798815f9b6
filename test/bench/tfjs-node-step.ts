import type * as core from '@tensorflow/tfjs-core';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import type { Block, ConvUnit } from '../../src/model/network.js';
import { randomStream } from '../../src/random.js';
import { foldedMobileNetV2 } from './random-mobilenet.js';

// Peer measurement: the full fine-tuning step of our-step.ts as a user of tfjs-node writes it, with tfjs's own
// operations, tape and momentum optimizer on native TensorFlow. Prints one JSON line.
const { values } = parseArgs({
  options: {
    alpha: { type: 'string', default: '0.35' },
    size: { type: 'string', default: '96' },
    batch: { type: 'string', default: '32' },
    steps: { type: 'string', default: '8' },
    'warm-up': { type: 'string', default: '2' },
    /** Always folded here. */
    'batch-norm': { type: 'string', default: 'fold' },
    package: { type: 'string', default: '@tensorflow/tfjs-node-gpu' },
  },
});
const [alpha, size, batch, steps] = [values.alpha, values.size, values.batch, values.steps].map(Number) as [
  number,
  number,
  number,
  number,
];
const warmUp = Number(values['warm-up']);
const CLASSES = 10;

process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '3';
const require = createRequire(import.meta.url);
// By its folder: a package of the same name without the native part may lie nearer.
const tf: typeof core & { readonly version: Readonly<Record<string, string>> } = require(values.package);
const { backbone, parameters } = foldedMobileNetV2(alpha);
const variables = new Map<string, core.Variable>();
for (const [name, { shape, values: numbers }] of parameters) {
  variables.set(name, tf.variable(tf.tensor(numbers, [...shape], 'float32')));
}
const headKernel = tf.variable(tf.randomUniform([backbone.features, CLASSES], -0.03, 0.03, 'float32', 0));
const headBias = tf.variable(tf.zeros([CLASSES]));
const optimizer = tf.train.momentum(1e-4, 0.9);
const stream = randomStream(0, 'images');
const pixels = new Float32Array(batch * size * size * 3).map(() => 2 * stream.uniform() - 1);
const labels = Int32Array.from({ length: batch }, () => stream.integer(CLASSES));

function unit(x: core.Tensor4D, { name, kind, stride, relu6 }: ConvUnit): core.Tensor4D {
  const filter = variables.get(`${name}/kernel`) as core.Tensor<core.Rank.R4>;
  const product =
    kind === 'conv' ? tf.conv2d(x, filter, stride, 'same') : tf.depthwiseConv2d(x, filter, stride, 'same');
  const sum = tf.add<core.Tensor4D>(product, variables.get(`${name}/bias`) as core.Tensor);
  return relu6 ? tf.relu6(sum) : sum;
}

function block(x: core.Tensor4D, { units, residual }: Block): core.Tensor4D {
  const out = units.reduce(unit, x);
  return residual ? tf.add<core.Tensor4D>(out, x) : out;
}

function forward(): core.Tensor2D {
  const images = tf.tensor4d(pixels, [batch, size, size, 3]);
  const pooled = tf.mean<core.Tensor2D>(backbone.blocks.reduce(block, images), [1, 2]);
  return tf.add<core.Tensor2D>(tf.matMul(pooled, headKernel as core.Tensor2D), headBias);
}

function loss(): core.Scalar {
  const targets = tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), CLASSES), 'float32');
  return tf.neg(tf.mean(tf.sum(tf.mul(targets, tf.logSoftmax(forward())), 1)));
}

async function timed(count: number, work: () => core.Tensor): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const begin = performance.now();
    const result = tf.tidy(work);
    await result.data();
    result.dispose();
    times.push((performance.now() - begin) / batch);
  }
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? NaN;
}

const step = () => {
  const cost = optimizer.minimize(loss, true);
  if (cost === null) throw new Error('the optimizer returned no loss');
  return cost;
};
await timed(warmUp, step);
const full = await timed(steps, step);
const forwardOnly = await timed(steps, forward);
console.log(
  JSON.stringify({
    engine: 'tfjs-node, full step',
    version: tf.version['tfjs-node'] ?? tf.version['tfjs-core'],
    msPerImage: { all: full, forward: forwardOnly },
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
  }),
);
