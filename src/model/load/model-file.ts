import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { messageOf, UsageError } from '../../errors.js';
import { readWholeFile } from '../../files.js';
import type { LayerNode } from './graph.js';
import { H5File, isH5 } from './h5-file.js';
import { isArchive, readKerasArchive, unpackKeras } from './keras-archive.js';
import { readKerasH5 } from './keras-h5.js';
import { publishedSize } from './known-weights.js';
import { parseModelJson } from './model-json.js';
import { MAX_WEIGHT_BYTES, readWeightFiles, type WeightTensor } from './weight-files.js';

/** A network with its weights, in whatever kind of file. */
interface ModelFile {
  /** Where it is no MobileNet, what it is may be read here. */
  readonly said: string;
  readonly layers: readonly LayerNode[];
  readonly readWeights: () => Promise<ReadWeights>;
  readonly close: () => void;
}

/** All weights of a file. */
interface ReadWeights {
  readonly weights: ReadonlyMap<string, WeightTensor>;
  /** Of all bytes that were read. */
  readonly sha256: string;
  readonly quantized?: string | undefined;
}

/** Of weights alone, which say nothing of it: the most common one. */
const OPEN_SIZE = 224;
const MAX_JSON_BYTES = 50 * 2 ** 20;

/**
 * Opens a model: the model.json of a TFJS layers-model where the path ends so, else a file of Keras, whose kind its bytes tell.
 * Throws UsageError where it is neither.
 */
export async function openModelFile(path: string): Promise<ModelFile> {
  return path.endsWith('.json') ? openLayersModel(path) : openKerasFile(path);
}

async function openLayersModel(path: string): Promise<ModelFile> {
  const json = await bytesOf(path, MAX_JSON_BYTES);
  const said = json.toString('utf8');
  const { layers, manifest } = parseModelJson(said);
  const kinds = new Set(manifest.flatMap(({ weights }) => weights.map((w) => w.quantization?.dtype)));
  const quantized = [...kinds].filter((kind) => kind !== undefined).join(' and ');
  return {
    said,
    layers,
    async readWeights() {
      const hash = createHash('sha256').update(json);
      const weights = await readWeightFiles(dirname(path), manifest, (bytes) => void hash.update(bytes));
      return { weights, sha256: hash.digest('hex'), quantized: quantized === '' ? undefined : quantized };
    },
    close: () => undefined,
  };
}

async function openKerasFile(path: string): Promise<ModelFile> {
  const bytes = await bytesOf(path, MAX_WEIGHT_BYTES);
  const archive = isArchive(bytes) ? await unpackKeras(bytes) : undefined;
  const stored = archive?.weights ?? bytes;
  if (!isH5(stored)) throw new UsageError(`this is neither HDF5 nor an archive of Keras${whatElse(stored)}`);
  const file = await H5File.open(stored);
  const close = () => {
    file.close();
  };
  try {
    const { readWeights, ...model } =
      archive === undefined
        ? readKerasH5(file, publishedSize(path) ?? OPEN_SIZE)
        : readKerasArchive(archive.config, file);
    const sha256 = () => createHash('sha256').update(bytes).digest('hex');
    return {
      ...model,
      readWeights: () => Promise.resolve({ weights: readWeights(), sha256: sha256() }),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** What is often there instead, by its first bytes. */
function whatElse(bytes: Buffer): string {
  const start = bytes.subarray(0, 200).toString('latin1');
  if (bytes.length === 0) return ': it is empty';
  if (/^\s*<(!doctype|html|\?xml)/iu.test(start)) {
    return ': it is a web page, as servers send one in place of a file; download it again';
  }
  if (start.startsWith('version https://git-lfs')) {
    return ': it is a pointer of Git LFS; fetch the file itself with git lfs pull';
  }
  return '';
}

async function bytesOf(path: string, maxBytes: number): Promise<Buffer> {
  return readWholeFile(path, maxBytes).catch((error: unknown) => {
    throw new UsageError(`cannot be read: ${messageOf(error)}`, { cause: error });
  });
}
