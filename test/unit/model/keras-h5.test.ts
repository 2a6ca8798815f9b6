import { writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type h5wasm from 'h5wasm';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadBackbone, type LoadedBackbone } from '../../../src/model/load/backbone.js';
import { resolveWeights } from '../../../src/model/load/weights.js';
import { type Backbone, freshBackbone, mobileNetV1 } from '../../../src/model/network.js';
import { bundledModel, type H5Layer, h5Bytes, layersOfModel, writeH5, writeWeights } from './h5-files.js';
import { mobileNetV1 as tfjsMobileNetV1 } from './keras-networks.js';
import { hashOf, savedByTfjs, type SavedModel, temporaryFolder, writeModel } from './model-folders.js';
import { messageOf } from './refusals.js';

type Group = InstanceType<typeof h5wasm.Group>;

const BUNDLED = resolveWeights('mobilenet_v2_0.35_224');
const everything = () => 0;
let layers: H5Layer[];
let kept: LoadedBackbone;
beforeAll(async () => {
  layers = layersOfModel(bundledModel());
  kept = await loadBackbone(BUNDLED, everything);
});

async function expectBundled(path: string): Promise<void> {
  const found = await loadBackbone(path, everything);
  expect(found.backbone).toEqual(kept.backbone);
  expect(hashOf(found.parameters)).toBe(hashOf(kept.parameters));
}

/** Other names for layers and the weights in them. */
const renamed = (all: readonly H5Layer[], rename: (name: string) => string): H5Layer[] =>
  all.map(({ name, weights }) => ({
    name: rename(name),
    weights: weights.map((weight) => ({ ...weight, name: weight.name.replace(name, rename(name)) })),
  }));

describe('weights alone, as Keras Applications has them', () => {
  test.each(['padded', 'variable'] as const)('with names of %s length', async (texts) => {
    const path = await writeH5((file) => {
      writeWeights(file, layers, texts);
    });
    await expectBundled(path);
    const { sha256, quantized, ...folded } = await loadBackbone(path);
    expect(sha256).toBe(createHash('sha256').update(readFileSync(path)).digest('hex'));
    expect(quantized).toBeUndefined();
    const expected = await loadBackbone(BUNDLED);
    expect(folded.backbone).toEqual(expected.backbone);
    expect(hashOf(folded.parameters)).toBe(hashOf(expected.parameters));
  });

  test('with other names of the layers, which Keras reads by their order', async () => {
    const old = renamed(layers, (name) => name.replace(/^(block_|expanded_conv|bn_Conv1|Conv)/u, 'mobl_$1'));
    await expectBundled(
      await writeH5((file) => {
        writeWeights(file, old);
      }),
    );
  });

  test('with a classification layer, and names that TensorFlow counted on', async () => {
    const top = {
      name: 'Logits',
      weights: [
        { name: 'Logits/kernel', shape: [1280, 3], values: new Float32Array(3840) },
        { name: 'Logits/bias', shape: [3], values: new Float32Array(3) },
      ],
    };
    const counted = layers.map(({ name, weights }) => ({
      name,
      weights: weights.map((weight) => ({ ...weight, name: weight.name.replace('/', '_1/') })),
    }));
    await expectBundled(
      await writeH5((file) => {
        writeWeights(file, [...counted, top]);
      }),
    );
  });

  test('in one group for a model within a model, what is trained first', async () => {
    const all = layers.flatMap(({ weights }) => weights);
    const trained = all.filter(({ name }) => !name.includes('/moving_'));
    const model = {
      name: 'mobilenetv2_0.35_224',
      weights: [...trained, ...all.filter((one) => !trained.includes(one))],
    };
    const dense = {
      name: 'dense',
      weights: [{ name: 'dense/kernel', shape: [1280, 2], values: new Float32Array(2560) }],
    };
    await expectBundled(
      await writeH5((file) => {
        writeWeights(file, [model, dense]);
      }),
    );
  });

  test('with a list of names in several parts', async () => {
    const path = await writeH5((file) => {
      writeWeights(file, layers);
      const names = layers.map(({ name }) => name);
      file.delete_attribute('layer_names');
      for (const [i, part] of [names.slice(0, 70), names.slice(70)].entries()) {
        file.create_attribute(`layer_names${i}`, part, [part.length], 'S40');
      }
    });
    await expectBundled(path);
  });
});

/** A small V1 from random numbers with batch norm as Keras Applications has it. */
async function smallV1(): Promise<SavedModel> {
  const saved = await savedByTfjs(tfjsMobileNetV1({ top: 'conv', size: 224 }));
  for (const { class_name, config } of saved.json.modelTopology.config.layers) {
    if (class_name === 'BatchNormalization') Object.assign(config, { epsilon: 1e-3, momentum: 0.99 });
  }
  return saved;
}

test('a MobileNet V1 is what the same weights are as a layers-model', async () => {
  const saved = await smallV1();
  const expected = await loadBackbone(
    await writeModel(saved.json, { 'weights.bin': saved.bytes }),
    everything,
  );
  const real = renamed(layersOfModel(saved), (name) => name.replace(/_BN$/u, '_bn'));
  for (const stored of [
    real,
    renamed(real, (name) => `layer_${real.findIndex((one) => one.name === name)}`),
  ]) {
    const found = await loadBackbone(
      await writeH5((file) => {
        writeWeights(file, stored);
      }),
      everything,
    );
    expect(found.backbone).toEqual(expected.backbone);
    expect(hashOf(found.parameters)).toBe(hashOf(expected.parameters));
  }
});

/** Layers of a plan, all weights alike. */
function layersOfPlan({ blocks }: Backbone): H5Layer[] {
  return blocks
    .flatMap(({ units }) => units)
    .flatMap(({ name, kind, filterShape }) => {
      const filled = (layer: string, own: string, ...shape: number[]) => ({
        name: `${layer}/${own}`,
        shape,
        values: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5),
      });
      const out = filterShape[kind === 'conv' ? 3 : 2];
      return [
        { name, weights: [filled(name, kind === 'conv' ? 'kernel' : 'depthwise_kernel', ...filterShape)] },
        {
          name: `${name}_bn`,
          weights: ['gamma', 'beta', 'moving_mean', 'moving_variance'].map((own) =>
            filled(`${name}_bn`, own, out),
          ),
        },
      ];
    });
}

test.each([mobileNetV1(0.5), freshBackbone(1.3), freshBackbone(0.42)])(
  'V$version at a width of $alpha is told by its shapes',
  async (plan) => {
    const stored = renamed(layersOfPlan(plan), (name) => `old_${name}`);
    const { backbone } = await loadBackbone(
      await writeH5((file) => {
        writeWeights(file, stored);
      }),
    );
    expect(
      backbone.blocks.map(({ units }) => units.map(({ name, filterShape }) => [name, filterShape])),
    ).toEqual(plan.blocks.map(({ units }) => units.map(({ name, filterShape }) => [name, filterShape])));
    expect(backbone.blocks.map(({ residual }) => residual)).toEqual(
      plan.blocks.map(({ residual }) => residual),
    );
    if (plan.alpha !== 0.42) expect(backbone.alpha).toBeCloseTo(plan.alpha, 10);
  },
);

describe('a whole model, as model.save of Keras 2 writes it', () => {
  const { json } = bundledModel();
  const functional = (name: string) => ({
    class_name: 'Model',
    config: { ...json.modelTopology.config, name },
  });
  const write = (model: unknown, stored: readonly H5Layer[]) =>
    writeH5((file) => {
      file.create_attribute('model_config', JSON.stringify(model), null, 'S');
      file.create_attribute('keras_version', '2.1.6', null, 'S5');
      writeWeights(file.create_group('model_weights'), stored);
    }, 'model.h5');

  test('alone', async () => {
    await expectBundled(await write(functional('mobilenet'), layers));
  });

  test('within a Sequential model with a head', async () => {
    const shape = { batch_input_shape: [null, 224, 224, 3] };
    const sequential = {
      class_name: 'Sequential',
      config: [
        { ...functional('mobilenet'), class_name: 'Model' },
        { class_name: 'GlobalAveragePooling2D', config: { name: 'gap', ...shape } },
        { class_name: 'Dense', config: { name: 'dense_1', units: 2 } },
      ],
    };
    const all = layers.flatMap(({ weights }) => weights);
    const stored = [
      { name: 'mobilenet', weights: all },
      { name: 'gap', weights: [] },
      {
        name: 'dense_1',
        weights: [{ name: 'dense_1_1/kernel', shape: [1280, 2], values: new Float32Array(2560) }],
      },
    ];
    await expectBundled(await write(sequential, stored));
  });

  test.each([
    ['vgg16', 'relu'],
    ['MobilenetV3small', 'hard_swish'],
  ])('of another network, by its name: %s', async (name, activation) => {
    const other = {
      class_name: 'Model',
      config: {
        name,
        layers: [
          {
            name: 'input_1',
            class_name: 'InputLayer',
            config: { batch_input_shape: [null, 224, 224, 3] },
            inbound_nodes: [],
          },
          {
            name: 'block1_conv1',
            class_name: 'Conv2D',
            config: { kernel_size: [3, 3], activation, padding: 'same' },
            inbound_nodes: [[['input_1', 0, 0, {}]]],
          },
        ],
      },
    };
    expect(await messageOf(await write(other, []))).toContain(
      `this is «${name}», another network than a MobileNet V1 or V2`,
    );
  });
});

describe('what is refused, and how', () => {
  const small = layersOfPlan(mobileNetV1(0.25));
  /** The message on the weights of a small V1 after a change. */
  const refused = async (
    change: (all: H5Layer[]) => H5Layer[],
    alter: (file: Group) => void = () => undefined,
  ) =>
    messageOf(
      await writeH5((file) => {
        writeWeights(file, change(structuredClone(small)));
        alter(file);
      }),
    );
  /** The same with another weight of this name. */
  const withWeight =
    (name: string, replace: (weight: H5Layer['weights'][number]) => H5Layer['weights']) => (all: H5Layer[]) =>
      all.map((layer) => ({
        ...layer,
        weights: layer.weights.flatMap((weight) => (weight.name === name ? replace(weight) : [weight])),
      }));

  test.each<[string, (all: H5Layer[]) => H5Layer[], RegExp]>([
    [
      'a weight that is not there',
      withWeight('conv_dw_3_bn/gamma', () => []),
      /«conv_dw_3_bn\/gamma» is missing/,
    ],
    [
      'a layer that is not there',
      (all) => all.filter(({ name }) => name !== 'conv_dw_5'),
      /expected the weights of 13 depthwise convolutions, which a MobileNet V1 has, or of 17, which a V2 has, found 12/,
    ],
    [
      'batch norm that is not there',
      (all) => all.filter(({ name }) => name !== 'conv1_bn'),
      /«conv1_bn\/gamma» is missing/,
    ],
    [
      'a wrong shape',
      withWeight('conv_pw_1/kernel', (weight) => [{ ...weight, shape: [1, 1, 16, 8] }]),
      /«conv_pw_1\/kernel»: expected the shape \[1, 1, 8, 16\], found \[1, 1, 16, 8\]/,
    ],
    [
      'NaN',
      withWeight('conv_pw_13/kernel', (weight) => [
        { ...weight, values: Float32Array.from(weight.values).fill(NaN, 7, 8) },
      ]),
      /«conv_pw_13\/kernel» holds NaN at index 7/,
    ],
    [
      'a negative variance',
      withWeight('conv_pw_13_bn/moving_variance', (weight) => [
        { ...weight, values: Float32Array.from(weight.values).fill(-1, 2, 3) },
      ]),
      /batch norm «conv_pw_13_bn» has the variance -1 in channel 2/,
    ],
    [
      'float64',
      withWeight('conv1/kernel', (weight) => [{ ...weight, values: Float64Array.from(weight.values) }]),
      /«conv1\/kernel»: expected float32, found float64/,
    ],
    [
      'integers in place of a kernel',
      withWeight('conv1/kernel', (weight) => [{ ...weight, values: Int32Array.from(weight.values) }]),
      /«conv1\/kernel» is missing/,
    ],
    [
      'a weight that no layer has',
      withWeight('conv1/kernel', (weight) => [weight, { ...weight, name: 'conv1/other' }]),
      /«conv1\/other» belongs to no layer/,
    ],
  ])('%s', async (_, change, message) => {
    expect(await refused(change)).toMatch(message);
  });

  test('a list that names what is not there', async () => {
    const message = await refused(
      (all) => all,
      (file) => {
        const group = file.get('conv1') as Group;
        group.delete_attribute('weight_names');
        group.create_attribute('weight_names', ['conv1/gone:0'], [1], 'S12');
      },
    );
    expect(message).toMatch(/«conv1\/gone:0» of layer «conv1» is missing/);
  });

  test('gigabytes declared, before any is read', async () => {
    const path = await writeH5((file) => {
      writeWeights(file, small);
      const group = file.create_group('huge');
      const size = { shape: [1, 1], maxshape: [20_000, 20_000], chunks: [1, 1] };
      group.create_dataset({ name: 'kernel:0', data: new Float32Array(1), ...size }).resize(size.maxshape);
      group.create_attribute('weight_names', ['kernel:0'], [1], 'S8');
      file.delete_attribute('layer_names');
      file.create_attribute(
        'layer_names',
        [...small.map(({ name }) => name), 'huge'],
        [small.length + 1],
        'S40',
      );
    });
    expect(await messageOf(path)).toMatch(/declared to have 160\d+ bytes; at most 536870912 are read/);
  });

  test('a ResNet', async () => {
    const kernel = (name: string, ...shape: number[]) => ({
      name,
      weights: [
        { name: `${name}/kernel`, shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)) },
      ],
    });
    const stored = [kernel('conv1_conv', 7, 7, 3, 64), kernel('conv2_block1_1_conv', 1, 1, 64, 64)];
    const path = await writeH5((file) => {
      writeWeights(file, stored);
    });
    expect(await messageOf(path)).toMatch(/found 0 \(its first layers are conv1_conv, conv2_block1_1_conv\)/);
  });

  test('a MobileNet V3', async () => {
    const kernel = (name: string, ...shape: number[]) => ({
      name,
      weights: [
        { name: `${name}/kernel`, shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)) },
      ],
    });
    const stored = [kernel('Conv', 3, 3, 3, 16), kernel('expanded_conv_squeeze_excite_conv', 1, 1, 16, 8)];
    const path = await writeH5((file) => {
      writeWeights(file, stored);
    });
    expect(await messageOf(path)).toMatch(/found 0 .*it squeezes and excites, as a MobileNet V3/);
  });

  test('weights in another order than the network', async () => {
    const names = renamed(small, (name) => `a_${name}`);
    const path = await writeH5((file) => {
      writeWeights(file, names.toReversed());
    });
    expect(await messageOf(path)).toMatch(
      /expected the weights of a convolution \(«conv1» in Keras Applications\) first, found «a_conv_pw_13_bn» with gamma, beta, moving_mean, moving_variance/,
    );
  });

  test('weights of Keras 3 without their network', async () => {
    const path = await writeH5((file) => {
      const vars = file.create_group('layers').create_group('conv2d').create_group('vars');
      vars.create_dataset({ name: '0', data: new Float32Array(3), shape: [3] });
    });
    expect(await messageOf(path)).toMatch(
      /weights alone, as save_weights of Keras 3.*model\.save\('model\.keras'\)/s,
    );
  });

  test('an HDF5 file of something else', async () => {
    const path = await writeH5((file) => {
      file.create_group('measurements');
    });
    expect(await messageOf(path)).toMatch(/no file of Keras: .*holds measurements/);
  });

  test('a file that was cut off, at any place', async () => {
    const bytes = await h5Bytes((file) => {
      writeWeights(file, small);
    });
    const path = join(await temporaryFolder(), 'weights.h5');
    for (const length of [100, 2000, bytes.length >> 1, bytes.length - 1]) {
      await writeFile(path, bytes.subarray(0, length));
      expect(await messageOf(path), String(length)).toMatch(
        /this HDF5 file is damaged or was cut off: .*(truncated|eof|read)/i,
      );
    }
  });

  test.each([
    ['nothing', '', /neither HDF5 nor an archive of Keras: it is empty/],
    ['a web page', '<!DOCTYPE html><html></html>', /it is a web page/],
    ['a pointer of Git LFS', 'version https://git-lfs.github.com/spec/v1', /pointer of Git LFS/],
    ['anything', 'PNG', /neither HDF5 nor an archive of Keras\n/],
  ])('%s in place of the file', async (_, content, message) => {
    const path = join(await temporaryFolder(), 'weights.h5');
    await writeFile(path, content);
    expect(await messageOf(path)).toMatch(message);
  });
});
