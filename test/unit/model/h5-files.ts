import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import h5wasm from 'h5wasm';
import { resolveWeights } from '../../../src/model/load/weights.js';
import { type LooseModelJson, type SavedModel, temporaryFolder } from './model-folders.js';

/** A layer's weights as Keras lists them: `Conv1` with `Conv1/kernel`. */
export interface H5Layer {
  readonly name: string;
  readonly weights: readonly H5Weight[];
}
export interface H5Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | Float64Array | Int32Array;
}

/** How the lists of names are stored: Keras 2 padded them to one length, later versions of h5py may not. */
export type Texts = 'padded' | 'variable';

/** The bundled layers-model. */
export function bundledModel(): SavedModel {
  const path = resolveWeights('mobilenet_v2_0.35_224');
  return {
    json: JSON.parse(readFileSync(path, 'utf8')) as LooseModelJson,
    bytes: new Uint8Array(readFileSync(join(dirname(path), 'weights.bin'))),
  };
}

/** Its layers in order with their weights, those without any too, as Keras's `save_weights` goes through them. */
export function layersOfModel({ json, bytes }: SavedModel): H5Layer[] {
  const weights = new Map<string, H5Weight[]>();
  let offset = bytes.byteOffset;
  for (const { name, shape } of json.weightsManifest.flatMap((group) => group.weights)) {
    const length = shape.reduce((a, b) => a * b, 1);
    const layer = name.slice(0, name.lastIndexOf('/'));
    const values = new Float32Array(bytes.buffer.slice(offset, offset + 4 * length));
    weights.set(layer, [...(weights.get(layer) ?? []), { name, shape, values }]);
    offset += 4 * length;
  }
  return json.modelTopology.config.layers.map(({ name }) => ({ name, weights: weights.get(name) ?? [] }));
}

type Group = InstanceType<typeof h5wasm.Group>;

function writeTexts(group: Group, name: string, texts: readonly string[], kind: Texts): void {
  // An empty array of numpy is one of float64.
  if (texts.length === 0) group.create_attribute(name, new Float64Array(0), [0]);
  else {
    const longest = Math.max(...texts.map((text) => Buffer.byteLength(text)));
    group.create_attribute(name, [...texts], [texts.length], kind === 'padded' ? `S${longest}` : 'S');
  }
}

/** Groups of weights as Keras writes them into a file, or into the group model_weights of one. */
export function writeWeights(group: Group, layers: readonly H5Layer[], texts: Texts = 'padded'): void {
  writeTexts(
    group,
    'layer_names',
    layers.map(({ name }) => name),
    texts,
  );
  group.create_attribute('backend', 'tensorflow', null, texts === 'padded' ? 'S10' : 'S');
  group.create_attribute('keras_version', '2.1.6', null, texts === 'padded' ? 'S5' : 'S');
  for (const { name, weights } of layers) {
    const own = group.create_group(name);
    const names = weights.map((weight) => `${weight.name}:0`);
    writeTexts(own, 'weight_names', names, texts);
    for (const [i, { shape, values }] of weights.entries()) {
      const path = (names[i] ?? '').split('/');
      const last = path.pop() ?? '';
      const folder = path.reduce((at, part) => {
        const found = at.get(part);
        return found instanceof h5wasm.Group ? found : at.create_group(part);
      }, own);
      folder.create_dataset({ name: last, data: values, shape: [...shape] });
    }
  }
}

let files = 0;

/** The bytes of an HDF5 file with what `write` puts into it. */
export async function h5Bytes(write: (file: Group) => void): Promise<Uint8Array> {
  const { FS } = await h5wasm.ready;
  const name = `/test-${files++}.h5`;
  const file = new h5wasm.File(name, 'w');
  write(file);
  file.flush();
  file.close();
  const bytes = FS.readFile(name) as Uint8Array;
  FS.unlink(name);
  return bytes;
}

/** Writes an HDF5 file into a fresh folder and answers its path. */
export async function writeH5(write: (file: Group) => void, name = 'weights.h5'): Promise<string> {
  const path = join(await temporaryFolder(), name);
  await writeFile(path, await h5Bytes(write));
  return path;
}
