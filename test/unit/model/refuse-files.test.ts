import { beforeAll, describe, expect, test } from 'vitest';
import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { loadBackbone } from '../../../src/model/load/backbone.js';
import { mobileNetV1 } from './keras-networks.js';
import {
  type LooseModelJson,
  savedByTfjs,
  type SavedModel,
  temporaryFolder,
  writeModel,
} from './model-folders.js';
import { layer, messageOf, refusal } from './refusals.js';

let v1: SavedModel;
beforeAll(async () => {
  v1 = await savedByTfjs(mobileNetV1({ top: 'dense' }));
});

const first = (json: LooseModelJson) => json.weightsManifest[0]!.weights[0]!;
const gigabytes = { name: 'conv1/huge', shape: [50_000, 50_000], dtype: 'float32' };
// prettier-ignore
const files: [string, (json: LooseModelJson, bytes: Uint8Array) => unknown, RegExp][] = [
  ['no JSON', () => '{"format": ', /this is no JSON/],
  ['other JSON', () => '[1, 2]', /no model.json of a TFJS layers-model/],
  ['null', () => 'null', /no model.json of a TFJS layers-model/],
  ['a million wrong weights', (json) => ({ ...json, weightsManifest: [{ paths: ['w'], weights: Array.from({ length: 1e6 }, () => 0) }] }), /by weightsManifest\[0\].weights\[0\]: .*expected object/],
  ['a layer without options', (json) => { Reflect.deleteProperty(layer(json, 'conv1'), 'config'); }, /by layers\[2\]: [^]*config/],
  ['a layer that takes nothing', (json) => { layer(json, 'conv1').inbound_nodes = [{ args: [] }] as never; }, /after «conv1_pad», found the end of the network|after «input\d+», found the end/],
  ['lists 20,000 deep', (json) => JSON.stringify({ ...json, deep: 0 }).replace('"deep":0', `"deep":${'['.repeat(20_000)}${']'.repeat(20_000)}`), /nested more than 100 deep/],
  ['a graph-model', (json) => { json.format = 'graph-model'; }, /expected the format "layers-model", found "graph-model"/],
  ['no weights manifest', (json) => ({ ...json, weightsManifest: undefined }), /weightsManifest/],
  ['float16', (json) => { first(json).dtype = 'float16'; }, /«conv1\/kernel»: expected float32, found float16/],
  ['a negative dimension', (json) => { first(json).shape = [-1]; }, /no model.json of a TFJS layers-model/],
  ['10 GB declared', (json) => { json.weightsManifest[0]!.weights.push(gigabytes); }, /declares 1000\d+ bytes; at most 536870912/],
  ['a size beyond all numbers', (json) => { first(json).shape = Array.from({ length: 400 }, () => 1e15); }, /declares Infinity bytes/],
  ['more declared than there is', (json) => { first(json).shape = [3, 3, 3, 9]; }, /weights.bin: expected \d+ bytes by the shapes in the manifest, found \d+/],
  ['a weight of another shape', (json) => { first(json).shape = [3, 3, 8, 3]; }, /«conv1\/kernel»: expected the shape \[3, 3, 3, 8\], found \[3, 3, 8, 3\]/],
  ['a missing weight', (json) => { first(json).name = 'conv1/kernal'; }, /«conv1\/kernel» is missing/],
  ['a weight of no layer', (json) => { json.weightsManifest[0]!.weights.find(({ name }) => name === 'predictions/bias')!.name = 'other/bias'; }, /«other\/bias» belongs to no layer/],
  ['a weight that its layer has not', (json) => { layer(json, 'conv1_BN').config['scale'] = false; }, /«conv1_BN\/gamma» belongs to no layer/],
  ['a weight twice', (json) => { const { weights } = json.weightsManifest[0]!; weights.find(({ name }) => name === 'predictions/bias')!.name = weights[0]!.name; }, /«conv1\/kernel» is declared twice/],
  ['NaN', (_, bytes) => { new Float32Array(bytes.buffer)[5] = NaN; }, /«conv1\/kernel» holds NaN at index 5/],
  ['infinity', (_, bytes) => { new Float32Array(bytes.buffer)[0] = -Infinity; }, /«conv1\/kernel» holds -Infinity at index 0/],
  ['a file twice', (json) => { json.weightsManifest.push({ paths: ['weights.bin'], weights: [] }); }, /weights.bin" is listed twice/],
  ['a missing file', (json) => { json.weightsManifest[0]!.paths = ['gone.bin']; }, /"gone.bin" cannot be read: ENOENT/],
  ['an absolute path', (json) => { json.weightsManifest[0]!.paths = ['/etc/hosts']; }, /"\/etc\/hosts" lies outside the folder/],
  ['a path upwards', (json) => { json.weightsManifest[0]!.paths = ['a/../../weights.bin']; }, /lies outside the folder/],
  ['a path upwards, as Windows writes it', (json) => { json.weightsManifest[0]!.paths = ['..\\weights.bin']; }, /lies outside the folder/],
  ['the folder itself', (json) => { json.weightsManifest[0]!.paths = ['.']; }, /it is a folder, not a file/],
  ['a zero byte in a path', (json) => { json.weightsManifest[0]!.paths = ['weights.bin\0']; }, /lies outside the folder/],
  ['thousands of files', (json) => { json.weightsManifest[0]!.paths = Array.from({ length: 1001 }, (_, i) => `${i}`); }, /lists 1001 files; at most 1000/],
];

describe('files that are no MobileNet in float32', () => {
  test.each(files)('%s', async (_, change, message) => {
    expect(await refusal(v1, change)).toMatch(message);
  });

  test.each([
    ['conv1_BN/moving_variance', -1, /batch norm «conv1_BN» has the variance -1 in channel 2/],
    ['conv1_BN/gamma', NaN, /weight «conv1_BN\/gamma» holds NaN at index 2/],
    ['conv_pw_13_BN/beta', Infinity, /weight «conv_pw_13_BN\/beta» holds Infinity at index 2/],
  ])('%s with %d is named', async (name, value, expected) => {
    const { weights } = v1.json.weightsManifest[0]!;
    const before = weights.slice(
      0,
      weights.findIndex((entry) => entry.name === name),
    );
    const offset = before.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    const message = await refusal(v1, (_, bytes) => {
      new Float32Array(bytes.buffer)[offset + 2] = value;
    });
    expect(message).toMatch(expected);
  });

  test('a symlink out of the folder', async () => {
    const outside = join(await temporaryFolder(), 'weights.bin');
    await writeFile(outside, v1.bytes);
    const path = await writeModel(v1.json, {});
    await symlink(outside, join(dirname(path), 'weights.bin'));
    expect(await messageOf(path)).toMatch(/lies outside the folder/);
  });

  test('a symlinked folder and a symlink within it are followed', async () => {
    const path = await writeModel(v1.json, { 'real.bin': v1.bytes });
    await symlink('real.bin', join(dirname(path), 'weights.bin'));
    const link = join(await temporaryFolder(), 'folder');
    await symlink(dirname(path), link);
    const loaded = await loadBackbone(join(link, 'model.json'));
    expect(loaded.backbone.features).toBe(256);
  });

  test('a model.json of more than 50 MB, unread', async () => {
    const path = await writeModel('{}', {});
    await truncate(path, 50 * 2 ** 20 + 1);
    expect(await messageOf(path)).toMatch(/it has 52428801 bytes, and at most 52428800 are read/);
  });

  test('a model.json that is a folder, or is not there', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'model.json'));
    expect(await messageOf(join(folder, 'model.json'))).toMatch(/it is a folder, not a file/);
    expect(await messageOf(join(folder, 'gone.json'))).toMatch(/cannot be read: ENOENT/);
  });
});
