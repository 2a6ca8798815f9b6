import { beforeAll, describe, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadBackbone, type LoadedBackbone } from '../../../src/model/load/backbone.js';
import { resolveWeights } from '../../../src/model/load/weights.js';
import { keras3Layer, tensor } from './keras3-layers.js';
import {
  hashOf,
  type LooseLayer,
  type LooseModelJson,
  type LooseWeight,
  writeModel,
} from './model-folders.js';
import { messageOf } from './refusals.js';

const BUNDLED = resolveWeights('mobilenet_v2_0.35_224');
const TOP = 'mobilenetv2_0.35_224';
let json: LooseModelJson;
let bytes: Uint8Array;
let bundled: LoadedBackbone;
beforeAll(async () => {
  json = JSON.parse(readFileSync(BUNDLED, 'utf8')) as LooseModelJson;
  bytes = readFileSync(join(dirname(BUNDLED), 'weights.bin'));
  bundled = await loadBackbone(BUNDLED);
});

/** A model.json around the bundled network, whose classification layer `head` has weights of its own after the network's. */
function modelJson(
  model_config: unknown,
  rename: (name: string) => string,
  head: readonly LooseWeight[] = [],
) {
  const weights = json.weightsManifest[0]!.weights.map((weight) => ({
    ...weight,
    name: rename(weight.name),
  }));
  return {
    format: 'layers-model',
    modelTopology: { keras_version: '3.6.0', backend: 'tensorflow', model_config },
    weightsManifest: [{ paths: ['weights.bin'], weights: [...weights, ...head] }],
  };
}

async function load(model: object, headFloats = 0): Promise<LoadedBackbone> {
  const longer = new Uint8Array(bytes.length + 4 * headFloats);
  longer.set(bytes);
  return loadBackbone(await writeModel(model, { 'weights.bin': longer }));
}

async function expectBundled(model: object, headFloats?: number): Promise<void> {
  const found = await load(model, headFloats);
  expect(found.backbone).toEqual(bundled.backbone);
  expect(hashOf(found.parameters)).toBe(hashOf(bundled.parameters));
}

const same = (name: string) => name;
function keras3Layers() {
  return json.modelTopology.config.layers.map(({ class_name, config, inbound_nodes }) =>
    keras3Layer(
      class_name,
      config,
      ((inbound_nodes[0] ?? []) as [string][]).map(([name]) => name),
    ),
  );
}

const last = () => json.modelTopology.config.layers.at(-1)!.name;
/** Keras 3 calls both kinds of kernels alike. */
const keras3Name = (name: string) => name.replace('/depthwise_kernel', '/kernel');

function keras3Functional() {
  const config = {
    name: TOP,
    layers: keras3Layers(),
    input_layers: ['input_1', 0, 0],
    output_layers: [last(), 0, 0],
  };
  return { class_name: 'Functional', name: TOP, config: { ...config, trainable: true } };
}

function keras2Functional() {
  const { layers } = json.modelTopology.config;
  const config = { name: TOP, layers, input_layers: [['input_1', 0, 0]], output_layers: [[last(), 0, 0]] };
  return { class_name: 'Functional', name: TOP, config };
}

const weight = (name: string, ...shape: number[]): LooseWeight => ({ name, shape, dtype: 'float32' });
const rescaling = (scale: number, offset: number) =>
  keras3Layer('Rescaling', { name: 'rescaling', scale, offset }, []);

describe('the bundled network', () => {
  test('as Keras 3 writes it', () => expectBundled(modelJson(keras3Functional(), keras3Name)));

  test('within two Sequential models, as Teachable Machine writes it', async () => {
    const sequential = (name: string, layers: object[]) => ({
      class_name: 'Sequential',
      config: { name, layers },
    });
    const pooling = { class_name: 'GlobalAveragePooling2D', config: { name: 'gap' } };
    const dense = (name: string, units: number) => ({
      class_name: 'Dense',
      config: { name, units, batch_input_shape: [null, 1280] },
    });
    const model = sequential('sequential_4', [
      sequential('sequential_1', [{ ...keras2Functional(), class_name: 'Model' }, pooling]),
      sequential('sequential_3', [dense('dense_Dense1', 100), dense('dense_Dense2', 2)]),
    ]);
    const head = [
      weight('dense_Dense1/kernel', 1280, 100),
      weight('dense_Dense1/bias', 100),
      weight('dense_Dense2/kernel', 100, 2),
    ];
    await expectBundled(modelJson(model, same, head), 1280 * 100 + 100 + 200);
    // tfjs saves the topology bare.
    const { modelTopology, ...rest } = modelJson(model, same, head);
    await expectBundled({ ...rest, modelTopology: modelTopology.model_config }, 1280 * 100 + 100 + 200);
  });

  test('in a functional model of Keras 2, with its own preprocessing and an input of the same name', async () => {
    const call = (layer: string, more: object = {}) => [[[layer, 0, 0, more]]];
    const operation = (name: string, of: string, y: number) => ({
      ...{ name, class_name: 'TFOpLambda', config: { name, function: name.slice('tf.'.length) } },
      inbound_nodes: [[of, 0, 0, { y, name: null }]],
    });
    const layers: object[] = [
      {
        name: 'input_1',
        class_name: 'InputLayer',
        config: { name: 'input_1', batch_input_shape: [null, 224, 224, 3] },
        inbound_nodes: [],
      },
      operation('tf.math.truediv', 'input_1', 127.5),
      operation('tf.math.subtract', 'tf.math.truediv', 1),
      { ...keras2Functional(), inbound_nodes: call('tf.math.subtract', { training: false }) },
      {
        name: 'gap',
        class_name: 'GlobalAveragePooling2D',
        config: { name: 'gap' },
        inbound_nodes: call(TOP),
      },
      { name: 'dense', class_name: 'Dense', config: { name: 'dense', units: 2 }, inbound_nodes: call('gap') },
    ];
    const config = {
      name: 'model',
      layers,
      input_layers: [['input_1', 0, 0]],
      output_layers: [['dense', 0, 0]],
    };
    const head = [weight('dense/kernel', 1280, 2), weight('dense/bias', 2)];
    await expectBundled(modelJson({ class_name: 'Functional', config }, same, head), 2562);
    // In whatever order the layers are listed.
    config.layers = layers.toReversed();
    await expectBundled(modelJson({ class_name: 'Functional', config }, same, head), 2562);
  });

  test('in a Sequential model of Keras 3, behind augmentation and a rescaling', async () => {
    const shape = { name: 'input_layer', batch_input_shape: [null, 224, 224, 3] };
    const augmentation = {
      class_name: 'Sequential',
      config: {
        name: 'augmentation',
        layers: [
          keras3Layer('InputLayer', { ...shape, name: 'input_layer_1' }, []),
          keras3Layer('RandomFlip', { name: 'random_flip', mode: 'horizontal' }, []),
        ],
      },
    };
    const layers = [
      keras3Layer('InputLayer', shape, []),
      augmentation,
      rescaling(1 / 127.5, -1),
      keras3Functional(),
      keras3Layer('GlobalAveragePooling2D', { name: 'gap' }, []),
      keras3Layer('Dense', { name: 'dense', units: 2 }, []),
    ];
    const model = { class_name: 'Sequential', config: { name: 'sequential', layers } };
    const prefixed = (name: string) => `sequential/${TOP}/${keras3Name(name)}`;
    const head = [weight('sequential/dense/kernel', 1280, 2), weight('sequential/dense/bias', 2)];
    await expectBundled(modelJson(model, prefixed, head), 2562);
    layers[2] = rescaling(1 / 255, 0);
    const path = await writeModel(modelJson(model, prefixed, head), { 'weights.bin': bytes });
    expect(await messageOf(path)).toMatch(
      /scales pixels by 0\.0039\d* and adds 0 before «rescaling»: expected what makes -1 to 1/,
    );
  });

  test('after operations of Keras 3, which have classes of their own', async () => {
    const operation = (class_name: string, name: string, of: string, by: number) => ({
      ...keras3Layer(class_name, { name }, []),
      inbound_nodes: [{ args: [tensor(of), by], kwargs: {} }],
    });
    const layers = [
      keras3Layer('InputLayer', { name: 'input_layer', batch_input_shape: [null, 224, 224, 3] }, []),
      operation('TrueDivide', 'true_divide', 'input_layer', 127.5),
      operation('Subtract', 'subtract', 'true_divide', 1),
      { ...keras3Functional(), inbound_nodes: [{ args: [tensor('subtract')], kwargs: { training: false } }] },
      keras3Layer('GlobalAveragePooling2D', { name: 'gap' }, [TOP]),
    ];
    const config = {
      name: 'functional_1',
      layers,
      input_layers: [['input_layer', 0, 0]],
      output_layers: [['gap', 0, 0]],
    };
    await expectBundled(modelJson({ class_name: 'Functional', config }, keras3Name));
  });
});

describe('what is refused', () => {
  const refusal = async (model: unknown) =>
    messageOf(await writeModel(modelJson(model, same), { 'weights.bin': bytes }));
  const nested = (layers: readonly unknown[], more: object = {}) => ({
    class_name: 'Sequential',
    config: {
      name: 'outer',
      layers: [{ class_name: 'Functional', config: { name: 'inner', layers, ...more } }],
    },
  });

  test('another network, by its own name', async () => {
    const efficient = {
      class_name: 'Functional',
      name: 'efficientnetb0',
      config: {
        ...keras2Functional().config,
        name: 'efficientnetb0',
        layers: json.modelTopology.config.layers.slice(0, 9),
      },
    };
    expect(
      await refusal({ class_name: 'Sequential', config: { name: 'outer', layers: [efficient] } }),
    ).toMatch(/this is «efficientnetb0», another network than a MobileNet V1 or V2/);
  });

  test.each<[string, (layers: LooseLayer[]) => unknown, RegExp]>([
    [
      'two inputs',
      (layers) => ({
        class_name: 'Functional',
        config: {
          name: 'outer',
          layers: [
            {
              name: 'a',
              class_name: 'InputLayer',
              config: { batch_input_shape: [null, 224, 224, 3] },
              inbound_nodes: [],
            },
            {
              name: 'b',
              class_name: 'InputLayer',
              config: { batch_input_shape: [null, 224, 224, 3] },
              inbound_nodes: [],
            },
            {
              name: 'inner',
              class_name: 'Functional',
              config: { name: 'inner', layers },
              inbound_nodes: [
                [
                  ['a', 0, 0, {}],
                  ['b', 0, 0, {}],
                ],
              ],
            },
          ],
        },
      }),
      /nested model «inner» has 2 inputs, expected one/,
    ],
    [
      'itself',
      (layers) => ({
        class_name: 'Functional',
        config: {
          name: 'outer',
          layers: [
            {
              name: 'inner',
              class_name: 'Functional',
              config: { name: 'inner', layers, output_layers: [['input_1', 0, 0]] },
              inbound_nodes: [[['inner', 0, 0, {}]]],
            },
          ],
        },
      }),
      /takes its own output/,
    ],
    ['a layer that is none', () => nested([7]), /by layers\[0\]\.config\.layers\[0\]: [^]*expected object/],
    ['no layers', () => nested([]), /expected one InputLayer, found none/],
  ])('a nested model of %s', async (_, model, message) => {
    expect(await refusal(model(json.modelTopology.config.layers))).toMatch(message);
  });
});
