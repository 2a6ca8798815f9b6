import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, expect, test } from 'vitest';
import { loadBackbone } from '../../../src/model/load/backbone.js';
import { mobileNetV1 } from './keras-networks.js';
import { type LooseWeight, savedByTfjs, type SavedModel, writeModel } from './model-folders.js';
import { refusal } from './refusals.js';

let whole: SavedModel;
beforeAll(async () => {
  whole = await savedByTfjs(mobileNetV1());
});

/** The bits of the float16 next to a number, of which no precision is lost below what float16 has. */
function toFloat16(value: number): number {
  const [bits = 0] = new Uint32Array(Float32Array.of(value).buffer);
  const sign = (bits >>> 16) & 0x8000;
  const size = Math.abs(value);
  if (size < 2 ** -14) return sign | Math.round(size * 2 ** 24);
  const exponent = Math.floor(Math.log2(size));
  return sign | ((exponent + 14) * 1024 + Math.round((size / 2 ** exponent) * 1024));
}

type Kind = 'float16' | 'uint8' | 'uint16';

/** A weight in fewer bits, as tensorflowjs_converter's quantization makes it of one, and what the manifest says of it. */
function quantized(values: Float32Array, dtype: Kind): { bytes: Uint8Array; quantization: object } {
  const original_dtype = 'float32';
  if (dtype === 'float16') {
    const bits = Uint16Array.from(values, toFloat16);
    return { bytes: new Uint8Array(bits.buffer), quantization: { dtype, original_dtype } };
  }
  const [min, max] = [Math.min(...values), Math.max(...values)];
  const scale = (max - min) / (dtype === 'uint8' ? 255 : 65_535);
  const steps = values.map((value) => Math.round((value - min) / scale));
  const bits = dtype === 'uint8' ? Uint8Array.from(steps) : Uint16Array.from(steps);
  return { bytes: new Uint8Array(bits.buffer), quantization: { dtype, min, scale, original_dtype } };
}

/** A small V1 whose weights of rank 4 are quantized, all others as they are: so bytes lie at odd places. */
function quantizedModel(kinds: readonly Kind[]): SavedModel {
  const { bytes } = whole;
  const json = structuredClone(whole.json);
  let kernels = 0;
  const parts: Uint8Array[] = [];
  let offset = 0;
  const weights = json.weightsManifest[0]!.weights.map((weight): LooseWeight => {
    const length = weight.shape.reduce((a, b) => a * b, 1);
    const own = bytes.slice(offset, offset + 4 * length);
    offset += 4 * length;
    const kind = weight.shape.length < 4 ? undefined : kinds[kernels++ % kinds.length];
    if (kind === undefined) {
      parts.push(own);
      return weight;
    }
    const less = quantized(new Float32Array(own.buffer), kind);
    parts.push(less.bytes);
    return { ...weight, quantization: less.quantization };
  });
  json.weightsManifest[0]!.weights = weights;
  return { json, bytes: new Uint8Array(Buffer.concat(parts)) };
}

/** Of arrays of any length, many times as fast as an assertion on their elements. */
function sameBits(values: Float32Array, tensor: tf.Tensor): boolean {
  const bytes = (all: Float32Array) => Buffer.from(all.slice().buffer);
  return bytes(values).equals(bytes(tensor.dataSync() as Float32Array));
}

test.each<[string, Kind[]]>([
  ['float16', ['float16']],
  ['uint8', ['uint8']],
  ['uint16', ['uint16']],
  ['float16 and uint8 and uint16', ['float16', 'uint8', 'uint16']],
])('%s: every weight is what tfjs makes of it', async (words, kinds) => {
  const { json, bytes } = quantizedModel(kinds);
  const path = await writeModel(json, { 'weights.bin': bytes });
  const { parameters, backbone, quantized: said } = await loadBackbone(path, () => 0);
  expect(said?.split(' and ').sort()).toEqual(words.split(' and ').sort());
  const specs = json.weightsManifest[0]!.weights as unknown as tf.io.WeightsManifestEntry[];
  const decoded = tf.io.decodeWeights(new Uint8Array(bytes).buffer, specs);
  const units = backbone.blocks.flatMap((block) => block.units);
  expect(units).toHaveLength(27);
  for (const { name, kind } of units) {
    const expected = decoded[`${name}/${kind === 'conv' ? 'kernel' : 'depthwise_kernel'}`]!;
    const { shape, values } = parameters.get(`${name}/kernel`)!;
    expect(shape).toEqual(expected.shape);
    expect(sameBits(values, expected), name).toBe(true);
    expect(sameBits(parameters.get(`${name}/gamma`)!.values, decoded[`${name}_BN/gamma`]!), name).toBe(true);
  }
});

test('every float16 is read as tfjs reads it', async () => {
  const { json, bytes } = quantizedModel(['float16']);
  // All finite ones: 2 x 31 x 1024 numbers, in the place of a kernel [1, 1, 256, 256], and zeros behind.
  const finite = Array.from({ length: 65_536 }, (_, i) => i).filter((i) => (i & 0x7c00) !== 0x7c00);
  const last = json.weightsManifest[0]!.weights.findIndex(({ name }) => name === 'conv_pw_13/kernel');
  const sizes = json.weightsManifest[0]!.weights.map(
    ({ shape, quantization }) => shape.reduce((a, b) => a * b, 1) * (quantization === undefined ? 4 : 2),
  );
  const from = sizes.slice(0, last).reduce((sum, size) => sum + size, 0);
  const all = new Uint16Array(65_536);
  all.set(finite);
  const replaced = new Uint8Array(bytes);
  replaced.set(new Uint8Array(all.buffer), from);
  const path = await writeModel(json, { 'weights.bin': replaced });
  const { parameters } = await loadBackbone(path, () => 0);
  const specs = json.weightsManifest[0]!.weights as unknown as tf.io.WeightsManifestEntry[];
  const expected = tf.io.decodeWeights(replaced.buffer, specs)['conv_pw_13/kernel']!;
  expect(sameBits(parameters.get('conv_pw_13/kernel')!.values, expected)).toBe(true);
  // By hand: 0x3555 is the float16 next to a third, 0x0001 the smallest, 0xc000 minus two.
  const { values } = parameters.get('conv_pw_13/kernel')!;
  expect([0x3555, 0x0001].map((i) => values[finite.indexOf(i)])).toEqual([0.333251953125, 2 ** -24]);
  expect(values[finite.indexOf(0xc000)]).toBe(-2);
});

test.each<[string, (weight: LooseWeight, bytes: Uint8Array) => void, RegExp]>([
  [
    'another kind',
    (weight) => (weight['quantization'] = { dtype: 'int4', min: 0, scale: 1 }),
    /expected a dtype of float16, or of uint8 or uint16 with min and scale/,
  ],
  [
    'no scale',
    (weight) => (weight['quantization'] = { dtype: 'uint8', min: 0 }),
    /expected a dtype of float16, or of uint8 or uint16 with min and scale/,
  ],
  [
    'fewer bytes than declared',
    (weight) => delete weight['quantization'],
    /weights\.bin: expected \d+ bytes by the shapes in the manifest, found \d+/,
  ],
  ['infinity', (_, bytes) => bytes.set([0x00, 0x7c]), /«conv1\/kernel» holds Infinity at index 0/],
])('%s is refused', async (_, change, message) => {
  const model = quantizedModel(['float16']);
  const found = await refusal(model, (json, bytes) => {
    change(json.weightsManifest[0]!.weights[0]!, bytes);
  });
  expect(found).toMatch(message);
});
