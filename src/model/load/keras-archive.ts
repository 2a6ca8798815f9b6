import { buffer } from 'node:stream/consumers';
import { messageOf, UsageError } from '../../errors.js';
import type { H5File, StoredTensor } from './h5-file.js';
import { type KerasModel, parsedConfig, readAll, type StoredWeight } from './keras-h5.js';
import { isModel, layersOf, nameOf, readLayer } from './layers.js';
import { MAX_WEIGHT_BYTES } from './weight-files.js';

/** What Keras calls the files in its archives. */
const [CONFIG, WEIGHTS] = ['config.json', 'model.weights.h5'];

/** What is read of an archive. */
interface Unpacked {
  readonly config: string;
  /** An HDF5 file. */
  readonly weights: Buffer;
}

/** Whether these bytes begin as those of a zip archive do. */
export function isArchive(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b;
}

/**
 * Unpacks a model as `model.save('x.keras')` of Keras 3 writes it. Throws UsageError where it is a zip archive of something else, or
 * damaged, or has more in it than any MobileNet.
 */
export async function unpackKeras(bytes: Buffer): Promise<Unpacked> {
  const found = new Map<string, Buffer>();
  const names: string[] = [];
  try {
    const { default: yauzl } = await import('yauzl');
    const zip = await yauzl.fromBufferPromise(bytes);
    for await (const entry of zip.eachEntry()) {
      names.push(entry.fileName);
      if (entry.fileName !== CONFIG && entry.fileName !== WEIGHTS) continue;
      if (entry.uncompressedSize > MAX_WEIGHT_BYTES) {
        throw new UsageError(
          `${entry.fileName} in it has ${entry.uncompressedSize} bytes; at most ${MAX_WEIGHT_BYTES} are read`,
        );
      }
      found.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)));
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`this archive is damaged or was cut off: ${messageOf(error)}`, { cause: error });
  }
  const [config, weights] = [found.get(CONFIG), found.get(WEIGHTS)];
  if (config !== undefined && weights !== undefined) return { config: config.toString('utf8'), weights };
  throw new UsageError(
    `it is a zip archive, but none of Keras: expected ${CONFIG} and ${WEIGHTS} in it, found ${names.slice(0, 5).join(', ') || 'nothing'}`,
  );
}

/** A model of Keras 3: its network from the archive's config.json, its weights from the archive's HDF5 file. */
export function readKerasArchive(config: string, file: H5File): KerasModel {
  const network = parsedConfig(config, CONFIG);
  // Before version 3 the groups had another name.
  const list = file.hasGroup('layers') ? 'layers' : '_layer_checkpoint_dependencies';
  return {
    said: config,
    layers: layersOf(network),
    readWeights: () => readAll(storedWeights(file, network, list, '', '')),
  };
}

/**
 * The weights of a model and of those within it. Keras numbers the layers of each class, `layers/conv2d_3`, in the order of the
 * model's list, and in each layer its weights, `vars/0`. Throws UsageError where a layer has not as many as its class.
 * @param list what a model's list of layers is called in the file
 * @param place of the model in the file, with a slash at its end; empty for the whole one
 * @param path of the model by names, likewise
 */
function storedWeights(
  file: H5File,
  network: unknown,
  list: string,
  place: string,
  path: string,
): StoredWeight[] {
  const { layers } = readLayer(network, 'the network').config;
  const counts = new Map<string, number>();
  return (Array.isArray(layers) ? layers : []).flatMap((layer, i) => {
    const raw = readLayer(layer, `layers[${i}]`);
    const kind = snakeCase(raw.class_name);
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    const own = `${place}${list}/${kind}${count === 0 ? '' : `_${count}`}`;
    const name = path + nameOf(raw);
    if (isModel(raw)) return storedWeights(file, raw, list, `${own}/`, `${name}/`);
    const stored = tensorsIn(file, `${own}/vars`);
    const written = file.text(`${own}/vars`, 'name');
    if (written !== undefined && written !== nameOf(raw)) {
      throw new UsageError(
        `${own} in it holds the weights of «${written}», and «${name}» was expected there`,
      );
    }
    const parts = partsOf(raw.class_name, raw.config);
    if (parts !== undefined && parts.length !== stored.length) {
      throw new UsageError(
        `layer «${name}»: expected ${parts.join(', ')} in ${own}/vars, found ${stored.length} weights`,
      );
    }
    return stored.map((tensor, at) => ({ name: `${name}/${parts?.[at] ?? at}`, tensor }));
  });
}

/** A layer's weights in their order. */
function tensorsIn(file: H5File, place: string): StoredTensor[] {
  return file.namesIn(place).map((_, i) => {
    const tensor = file.tensor(`${place}/${i}`);
    if (tensor === undefined) throw new UsageError(`weight ${i} of ${place} is missing`);
    return tensor;
  });
}

/** What a layer's weights are called, in the order in which Keras makes them; undefined for classes that no MobileNet has. */
function partsOf(className: string, config: Readonly<Record<string, unknown>>): string[] | undefined {
  const bias = config['use_bias'] === false ? [] : ['bias'];
  if (className === 'Conv2D' || className === 'Dense') return ['kernel', ...bias];
  if (className === 'DepthwiseConv2D') return ['depthwise_kernel', ...bias];
  if (className !== 'BatchNormalization') return undefined;
  const [gamma, beta] = [config['scale'] !== false, config['center'] !== false];
  return [...(gamma ? ['gamma'] : []), ...(beta ? ['beta'] : []), 'moving_mean', 'moving_variance'];
}

/** As Keras writes a class's name: Conv2D becomes conv2d, DepthwiseConv2D depthwise_conv2d. */
function snakeCase(className: string): string {
  return className
    .replace(/\W+/gu, '')
    .replace(/(.)([A-Z][a-z]+)/gu, '$1_$2')
    .replace(/([a-z])([A-Z])/gu, '$1_$2')
    .toLowerCase();
}
