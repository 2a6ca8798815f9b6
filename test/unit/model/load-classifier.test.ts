import { describe, expect, test } from 'vitest';
import { loadClassifier } from '../../../src/model/load/backbone.js';
import { resolveWeights } from '../../../src/model/load/weights.js';
import { loadBackbone } from '../../../src/model/load/backbone.js';
import { initHead } from '../../../src/model/network.js';
import { saveLayersModel, withTrained } from '../../../src/model/save.js';
import { type LooseModelJson, writeModel } from './model-folders.js';

const classNames = ['ant', 'bee', 'wasp'];

async function saved() {
  const { backbone, parameters } = await loadBackbone(resolveWeights('mobilenet_v2_0.35_224'));
  const head = { ...initHead(backbone.features, 3, 4), bias: Float32Array.of(0.5, -1, 0.25) };
  const classifier = { backbone, parameters, head, classNames, imageSize: 64 };
  return { classifier, files: saveLayersModel(classifier) };
}

test('a saved classifier is read back bit for bit, its head included', async () => {
  const { classifier, files } = await saved();
  const path = await writeModel(files['model.json'], { 'weights.bin': files['weights.bin'] });
  const { parameters, head } = await loadClassifier(path);
  expect(parameters).toEqual(classifier.parameters);
  expect(head).toEqual(classifier.head);
});

describe('refused, naming what was found', () => {
  test.each([
    [
      'a backbone alone',
      (json: LooseModelJson) => {
        json.modelTopology.config.layers.splice(-2);
        json.weightsManifest[0]!.weights.splice(-2);
      },
      /expected a global average and one Dense layer with softmax at the end, found the end of the network/,
    ],
    [
      'a head without softmax',
      (json: LooseModelJson) => {
        json.modelTopology.config.layers.at(-1)!.config['activation'] = 'linear';
      },
      /expected a global average and one Dense layer with softmax at the end, found .*Dense «predictions»/,
    ],
    [
      'a layer behind the head',
      (json: LooseModelJson) => {
        json.modelTopology.config.layers.push({
          name: 'more',
          class_name: 'Dropout',
          config: { name: 'more', rate: 0.5 },
          inbound_nodes: [[['predictions', 0, 0, {}]]],
        });
      },
      /one Dense layer with softmax at the end, found/,
    ],
    [
      'another number of outputs than weights',
      (json: LooseModelJson) => {
        json.modelTopology.config.layers.at(-1)!.config['units'] = 4;
      },
      /weight «predictions\/kernel»: expected the shape \[1280, 4\], found \[1280, 3\]/,
    ],
  ])('%s', async (_, change, message) => {
    const { files } = await saved();
    const json = JSON.parse(files['model.json']) as LooseModelJson;
    const whole = files['weights.bin'];
    change(json);
    const bytes = 4 * json.weightsManifest[0]!.weights.reduce((sum, { shape }) => sum + product(shape), 0);
    const path = await writeModel(json, { 'weights.bin': whole.subarray(0, bytes) });
    await expect(loadClassifier(path)).rejects.toThrow(message);
  });
});

test('trained weights take the place of those that were loaded; the frozen ones stay', async () => {
  const { classifier } = await saved();
  const [trained, frozen] = [...classifier.parameters.keys()];
  const state = new Map([
    [trained!, classifier.parameters.get(trained!)!.values.map((value) => value + 1)],
    ['head/kernel', classifier.head.kernel.map((value) => 2 * value)],
    ['head/bias', Float32Array.of(1, 2, 3)],
  ]);
  const { parameters, head } = withTrained(classifier, { weights: state });
  expect(parameters.get(trained!)!.values).toEqual(state.get(trained!));
  expect(parameters.get(frozen!)).toEqual(classifier.parameters.get(frozen!));
  expect(head).toEqual({ kernel: state.get('head/kernel'), bias: state.get('head/bias') });
  state.delete('head/bias');
  expect(() => withTrained(classifier, { weights: state })).toThrow('the checkpoint holds no head/bias');
});

function product(shape: unknown): number {
  return (shape as number[]).reduce((all, length) => all * length, 1);
}
