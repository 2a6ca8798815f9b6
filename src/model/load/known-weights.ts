import { basename, dirname, join } from 'node:path';
import { UsageError } from '../../errors.js';
import { addressOf, cacheFolder } from '../../fetch/cache.js';
import type { FetchOptions } from '../../fetch/fetch-file.js';
import { readWholeFile } from '../../files.js';
import { parseModelJson } from './model-json.js';

/** Weights that can be named instead of a file. */
export interface KnownWeights {
  readonly name: string;
  /** Of an HDF5 file, or of a model.json beside which its weight files lie. */
  readonly url: string;
  /** Height and width in pixels of the images that they were trained on. */
  readonly trainedSize: number;
}

/** Keras Applications: keras/src/applications/mobilenet.py and mobilenet_v2.py have the hosts and what files are called. */
const KERAS = 'https://storage.googleapis.com/tensorflow/keras-applications';
/** MobileNet as the examples of TensorFlow.js take it, made from Keras Applications' files of 2018. */
const TFJS = 'https://storage.googleapis.com/tfjs-models/tfjs';

/** Width multipliers as people write them, and as the file names of V1 do. */
const V1_WIDTHS = { '0.25': '2_5', '0.5': '5_0', '0.75': '7_5', '1.0': '1_0' } as const;
const V1_SIZES = [128, 160, 192, 224];
const V2_WIDTHS = { '0.35': 5, '0.5': 5, '0.75': 5, '1.0': 5, '1.3': 1, '1.4': 1 } as const;
/** The wide networks were trained at the first of them alone. */
const V2_SIZES = [224, 192, 160, 128, 96];
const TFJS_WIDTHS = { '0.25': '0.25', '0.5': '0.50', '0.75': '0.75', '1.0': '1.0' } as const;

/** All weights that `--weights` knows by name, trained on ImageNet. Nobody publishes checksums of them. */
export const KNOWN_WEIGHTS: readonly KnownWeights[] = [
  ...Object.entries(V1_WIDTHS).flatMap(([width, written]) =>
    V1_SIZES.map((trainedSize) => ({
      name: `mobilenet_v1_${width}_${trainedSize}`,
      url: `${KERAS}/mobilenet/mobilenet_${written}_${trainedSize}_tf_no_top.h5`,
      trainedSize,
    })),
  ),
  ...Object.entries(V2_WIDTHS).flatMap(([width, sizes]) =>
    V2_SIZES.slice(0, sizes).map((trainedSize) => ({
      name: `mobilenet_v2_${width}_${trainedSize}`,
      url: `${KERAS}/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_${width}_${trainedSize}_no_top.h5`,
      trainedSize,
    })),
  ),
  ...Object.entries(TFJS_WIDTHS).map(([width, written]) => ({
    name: `tfjs_mobilenet_v1_${width}_224`,
    url: `${TFJS}/mobilenet_v1_${written}_224/model.json`,
    trainedSize: 224,
  })),
];

/** Their names in short. */
export const KNOWN_NAMES =
  'mobilenet_v1_{0.25,0.5,0.75,1.0}_{128,160,192,224}, mobilenet_v2_{0.35,0.5,0.75,1.0}_{96,128,160,192,224}, ' +
  'mobilenet_v2_{1.3,1.4}_224, tfjs_mobilenet_v1_{0.25,0.5,0.75,1.0}_224';

/** The weights of a name; undefined where there are none. */
export function knownWeights(name: string): KnownWeights | undefined {
  return KNOWN_WEIGHTS.find((known) => known.name === name);
}

/**
 * Pixels a side that the weights in a file were trained at, where it has the name of one of Keras Applications; those files say
 * nothing of it themselves.
 */
export function publishedSize(path: string): number | undefined {
  const file = basename(path).replace(/(?<!_no_top)\.h5$/u, '_no_top.h5');
  return KNOWN_WEIGHTS.find(({ url }) => file.endsWith('.h5') && basename(url) === file)?.trainedSize;
}

/** Where weights lie in the cache, or will: an HDF5 file under its own name, a model.json in a folder of its own. */
export function knownPath({ name, url }: KnownWeights): string {
  const folder = join(cacheFolder(), 'weights');
  const file = basename(url);
  return file.endsWith('.json') ? join(folder, name, file) : join(folder, file);
}

/** More files than any layers-model is cut into. */
const MOST_FILES = 1000;
const MAX_JSON_BYTES = 50 * 2 ** 20;

/**
 * Brings weights into the cache where they are not there yet; files that somebody put there are taken as they are. Throws UsageError
 * and RunError as `fetchFile` does, and UsageError where a model.json names files outside its folder.
 */
export async function fetchWeights(
  known: KnownWeights,
  options: Pick<FetchOptions, 'signal' | 'onNote' | 'onProgress' | 'instead'>,
): Promise<void> {
  const path = knownPath(known);
  const folder = dirname(path);
  await fetchOne(known.url, { ...options, folder });
  if (!path.endsWith('.json')) return;
  const text = (await readWholeFile(path, MAX_JSON_BYTES)).toString('utf8');
  const files = parseModelJson(text).manifest.flatMap(({ paths }) => paths);
  if (files.length > MOST_FILES) {
    throw new UsageError(`${path} lists ${files.length} weight files; at most ${MOST_FILES} are fetched.`);
  }
  for (const file of files) {
    if (basename(file) !== file) {
      throw new UsageError(`${path} names a weight file outside its folder: ${JSON.stringify(file)}.`);
    }
    await fetchOne(new URL(encodeURIComponent(file), known.url).href, { ...options, folder });
  }
}

async function fetchOne(url: string, options: FetchOptions): Promise<void> {
  // Most runs need nothing that downloads.
  const { fetchFile } = await import('../../fetch/fetch-file.js');
  const { downloaded, path, sha256 } = await fetchFile({ url, name: basename(url) }, options);
  if (!downloaded) return;
  options.onNote?.(
    `Downloaded ${addressOf(url).href} to ${path}. No checksum of it is published; its SHA-256, ${sha256}, is kept beside it and holds from now on.`,
  );
}
