import { writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type h5wasm from 'h5wasm';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadBackbone, type LoadedBackbone } from '../../../src/model/load/backbone.js';
import { resolveWeights } from '../../../src/model/load/weights.js';
import { zipOf } from '../fetch/archives.js';
import { bundledModel, type H5Layer, h5Bytes, layersOfModel } from './h5-files.js';
import { keras3Layer } from './keras3-layers.js';
import { hashOf, temporaryFolder } from './model-folders.js';
import { messageOf } from './refusals.js';

type Group = InstanceType<typeof h5wasm.Group>;
interface Layer {
  readonly class_name: string;
  readonly name: string;
  readonly config: Record<string, unknown>;
}

const everything = () => 0;
const model = bundledModel();
const layers = new Map(layersOfModel(model).map((layer) => [layer.name, layer]));
let kept: LoadedBackbone;
beforeAll(async () => {
  kept = await loadBackbone(resolveWeights('mobilenet_v2_0.35_224'), everything);
});

/** The bundled network as Keras 3 describes it. */
function functional(): Layer {
  const own = model.json.modelTopology.config.layers.map(({ class_name, config, inbound_nodes }) =>
    keras3Layer(
      class_name,
      config,
      ((inbound_nodes[0] ?? []) as [string][]).map(([name]) => name),
    ),
  );
  const last = own.at(-1)?.name;
  const config = {
    name: 'mobilenetv2',
    layers: own,
    input_layers: ['input_1', 0, 0],
    output_layers: [last, 0, 0],
  };
  return { class_name: 'Functional', name: 'mobilenetv2', config };
}

const CLASSES: Readonly<Record<string, string>> = {
  Conv2D: 'conv2d',
  DepthwiseConv2D: 'depthwise_conv2d',
  BatchNormalization: 'batch_normalization',
  ReLU: 're_lu',
  ZeroPadding2D: 'zero_padding2d',
  InputLayer: 'input_layer',
  Add: 'add',
};
const ORDER = ['kernel', 'depthwise_kernel', 'gamma', 'beta', 'moving_mean', 'moving_variance'];

/** How Keras 3 writes layers into model.weights.h5: by class and number, each with its `vars`. */
function writeVars(group: Group, described: readonly Layer[], { list = 'layers', named = true } = {}): void {
  const counts = new Map<string, number>();
  const parent = group.create_group(list);
  for (const { class_name, name } of described) {
    const kind = CLASSES[class_name]!;
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    const vars = parent.create_group(count === 0 ? kind : `${kind}_${count}`).create_group('vars');
    if (named) vars.create_attribute('name', name, null, 'S');
    const weights = [...(layers.get(name) as H5Layer).weights].sort(
      (a, b) => ORDER.indexOf(a.name.split('/').at(-1)!) - ORDER.indexOf(b.name.split('/').at(-1)!),
    );
    for (const [i, { values, shape }] of weights.entries()) {
      vars.create_dataset({ name: `${i}`, data: values, shape: [...shape] });
    }
  }
}

const own = () => functional().config['layers'] as Layer[];

async function archive(config: unknown, write: (file: Group) => void): Promise<string> {
  const path = join(await temporaryFolder(), 'model.keras');
  const weights = Buffer.from(await h5Bytes(write));
  const metadata = JSON.stringify({ keras_version: '3.6.0', date_saved: '2026-11-29@12:00:00' });
  await writeFile(
    path,
    zipOf([
      ['metadata.json', metadata],
      ['config.json', typeof config === 'string' ? config : JSON.stringify(config)],
      ['model.weights.h5', weights],
    ]),
  );
  return path;
}

async function expectBundled(path: string): Promise<void> {
  const found = await loadBackbone(path, everything);
  expect(found.backbone).toEqual(kept.backbone);
  expect(hashOf(found.parameters)).toBe(hashOf(kept.parameters));
  expect(found.sha256).toBe(createHash('sha256').update(readFileSync(path)).digest('hex'));
}

describe('an archive of Keras 3 with the bundled network', () => {
  test.each([
    ['alone', {}],
    ['without the names that later versions add', { named: false }],
    ['with the names of version 2.13', { list: '_layer_checkpoint_dependencies', named: false }],
  ])('%s', async (_, options) => {
    await expectBundled(
      await archive(functional(), (file) => {
        writeVars(file, own(), options);
      }),
    );
  });

  test('within a Sequential model, with augmentation before and a head behind it', async () => {
    const shape = { batch_input_shape: [null, 224, 224, 3] };
    const flip = keras3Layer('RandomFlip', { name: 'random_flip', mode: 'horizontal' }, []);
    const augmentation = {
      class_name: 'Sequential',
      name: 'augmentation',
      config: { name: 'augmentation', layers: [flip] },
    };
    const list = [
      keras3Layer('InputLayer', { name: 'input_layer', ...shape }, []),
      augmentation,
      functional(),
      keras3Layer('GlobalAveragePooling2D', { name: 'gap' }, []),
      keras3Layer('Dense', { name: 'dense', units: 2 }, []),
    ];
    const sequential = {
      class_name: 'Sequential',
      name: 'sequential',
      config: { name: 'sequential', layers: list },
    };
    const path = await archive(sequential, (file) => {
      const outer = file.create_group('layers');
      // The state of a random generator is a whole number.
      const seed = outer
        .create_group('sequential')
        .create_group('layers')
        .create_group('random_flip')
        .create_group('vars');
      seed.create_dataset({ name: '0', data: Int32Array.of(1, 2), shape: [2] });
      writeVars(outer.create_group('functional'), own());
      const dense = outer.create_group('dense').create_group('vars');
      dense.create_dataset({ name: '0', data: new Float32Array(2560), shape: [1280, 2] });
      dense.create_dataset({ name: '1', data: new Float32Array(2), shape: [2] });
    });
    await expectBundled(path);
  });
});

describe('what is refused', () => {
  test('weights of another layer than is expected', async () => {
    const swapped = own();
    const at = swapped.findIndex(({ name }) => name === 'expanded_conv_project');
    swapped[at] = swapped.find(({ name }) => name === 'block_1_expand')!;
    const path = await archive(functional(), (file) => {
      writeVars(file, swapped);
    });
    expect(await messageOf(path)).toMatch(
      /layers\/conv2d_1 in it holds the weights of «block_1_expand», and «expanded_conv_project» was expected there/,
    );
  });

  test('a layer without its weights', async () => {
    const message = await messageOf(await archive(functional(), (file) => file.create_group('layers')));
    expect(message).toMatch(/layer «Conv1»: expected kernel in layers\/conv2d\/vars, found 0 weights/);
  });

  test('a config that is no JSON', async () => {
    expect(await messageOf(await archive('{', (file) => file.create_group('layers')))).toMatch(
      /its config\.json is no JSON/,
    );
  });

  test('an archive of something else, and one that was cut off', async () => {
    const path = join(await temporaryFolder(), 'model.keras');
    const whole = zipOf([['readme.txt', 'hello']]);
    await writeFile(path, whole);
    expect(await messageOf(path)).toMatch(
      /zip archive, but none of Keras: expected config\.json and model\.weights\.h5 in it, found readme\.txt/,
    );
    await writeFile(path, whole.subarray(0, 40));
    expect(await messageOf(path)).toMatch(/this archive is damaged or was cut off/);
  });
});
