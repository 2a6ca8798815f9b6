import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UsageError } from '../errors/errors.js';
import { messageOf } from '../errors/message-of.js';
import { buildBackbone } from './build-backbone.js';
import { linkLayers } from './layer-graph.js';
import { matchMobileNet } from './match-mobilenet.js';
import { parseModelJson } from './model-json.js';
import type { Backbone, Parameters } from './network.js';
import { readWeightFiles } from './read-weight-files.js';

/** A MobileNet as read from disk, as plain data that may cross threads. */
export interface LoadedBackbone {
  readonly backbone: Backbone;
  /** Batch norm folded; each its own array. */
  readonly parameters: Parameters;
  /** Of model.json's bytes followed by those of the weight files in the manifest's order, in hexadecimal. */
  readonly sha256: string;
}

const maxJsonBytes = 50 * 2 ** 20;

/**
 * Reads the MobileNet V1 or V2 of a TFJS layers-model, of any width, with or without its classification
 * layers and with batch norm separate or folded already. Each file is read once.
 * Throws UsageError, naming the file, for anything that is not such a network with finite float32 weights.
 */
export async function loadBackbone(modelJsonPath: string): Promise<LoadedBackbone> {
  try {
    return await load(modelJsonPath);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(
      `weights ${modelJsonPath}: ${error.message}\nExpected a TFJS layers-model of MobileNet V1 or V2 in float32, ` +
        'as tensorflowjs_converter or tfjs save one.',
      { cause: error },
    );
  }
}

async function load(path: string): Promise<LoadedBackbone> {
  const json = await readJson(path);
  const { layers, manifest } = parseModelJson(json.toString('utf8'));
  const graph = linkLayers(layers);
  const plan = matchMobileNet(graph);
  const hash = createHash('sha256').update(json);
  const weights = await readWeightFiles(dirname(path), manifest, (bytes) => void hash.update(bytes));
  return { ...buildBackbone(plan, graph, weights), sha256: hash.digest('hex') };
}

async function readJson(path: string): Promise<Buffer> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new UsageError('this is no regular file');
    if (found.size > maxJsonBytes) {
      throw new UsageError(`expected a model.json of at most ${maxJsonBytes} bytes, found ${found.size}`);
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
