import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nearest } from '../../config/options.js';
import { messageOf, MissingPathError, UsageError } from '../../errors.js';
import type { FetchOptions } from '../../fetch/fetch-file.js';
import { fetchWeights, KNOWN_NAMES, KNOWN_WEIGHTS, knownPath, knownWeights } from './known-weights.js';

// src/model and dist/model both lie two folders below the package's root, also inside node_modules.
const bundledFolder = fileURLToPath(new URL('../../../data/weights/', import.meta.url));

/** Names of the weights that come with the package, sorted; each can be given to `--weights`. */
export function bundledWeights(): string[] {
  if (!existsSync(bundledFolder)) return [];
  return readdirSync(bundledFolder)
    .filter((name) => existsSync(join(bundledFolder, name, 'model.json')))
    .sort();
}

/**
 * The absolute path of the file that `--weights` means: that of a bundled name, that in the cache of a known one, the model.json of a
 * folder, or the file itself. A name wins over a folder of that name (`./name` is the folder). Throws UsageError with the names where it
 * is none of these. A known name's file may not be there yet, see `availableWeights`.
 */
export function resolveWeights(nameOrPath: string): string {
  if (bundledWeights().includes(nameOrPath)) return join(bundledFolder, nameOrPath, 'model.json');
  const known = knownWeights(nameOrPath);
  if (known !== undefined) return knownPath(known);
  const path = resolve(nameOrPath);
  const kind = kindOfPath(nameOrPath);
  if (kind === 'nothing') {
    const text = unusableText(nameOrPath, `there is no such name, folder or file${meant(nameOrPath)}`);
    throw new MissingPathError(text, 'weights');
  }
  if (kind === 'file') {
    if (path.endsWith('.json') || /\.(h5|hdf5|keras)$/iu.test(path)) return path;
    throw unusable(nameOrPath, `it is a file, but no .json, .h5 or .keras (${conversionOf(path)})`);
  }
  const inside = join(path, 'model.json');
  if (kindOfPath(inside) === 'file') return inside;
  const saved = kindOfPath(join(path, 'saved_model.pb')) === 'file';
  throw unusable(
    nameOrPath,
    saved
      ? 'the folder holds a SavedModel (convert it with tensorflowjs_converter --input_format=keras_saved_model --output_format=tfjs_layers_model)'
      : 'the folder holds no file model.json',
  );
}

/**
 * The same path, once the file is there: weights of a known name are downloaded into the cache first. Throws RunError where that
 * fails, with the address and the place where the file can be put by hand.
 */
export async function availableWeights(
  nameOrPath: string,
  options: Pick<FetchOptions, 'signal' | 'onNote' | 'onProgress'>,
): Promise<string> {
  const path = resolveWeights(nameOrPath);
  const known = knownWeights(nameOrPath);
  if (known !== undefined && path === knownPath(known)) {
    const bundled = bundledWeights().map((name) => `--weights ${name}`);
    await fetchWeights(known, { ...options, instead: `Always here: the bundled ${bundled.join(', ')}.` });
  }
  return path;
}

/** What a name that does not exist was meant to be, as the end of a sentence; empty where nothing is near. */
function meant(name: string): string {
  if (/v3/iu.test(name)) return ' (MobileNet V3 is another network, which cannot be trained here yet)';
  const names = [...bundledWeights(), ...KNOWN_WEIGHTS.map((known) => known.name)];
  const near = /[/\\]/u.test(name) ? undefined : nearest(name, names);
  return near === undefined ? '' : `. Did you mean ${near}?`;
}

/** How a model file of another kind becomes a layers-model. */
function conversionOf(path: string): string {
  if (/\.zip$/iu.test(path)) return 'unpack it first';
  if (/\.(tflite|onnx|pb|pte?|pth|safetensors|ckpt)$/iu.test(path)) {
    return 'it cannot be converted; take the Keras model of the same network';
  }
  return 'convert Keras models with tensorflowjs_converter';
}

function kindOfPath(path: string): 'file' | 'folder' | 'nothing' {
  // An empty string would otherwise mean the current folder.
  if (path === '' || path.includes('\0')) return 'nothing';
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return 'nothing';
    return found.isDirectory() ? 'folder' : 'file';
  } catch (error) {
    throw unusable(path, messageOf(error));
  }
}

function unusable(nameOrPath: string, reason: string): UsageError {
  return new UsageError(unusableText(nameOrPath, reason));
}

function unusableText(nameOrPath: string, reason: string): string {
  return (
    `--weights ${JSON.stringify(nameOrPath)}: ${reason}${reason.endsWith('?') ? '' : '.'} Expected a bundled name (${bundledWeights().join(', ')}), ` +
    `a name to download (${KNOWN_NAMES}), a folder with a model.json, the model.json of a TFJS layers-model, or a .h5 or .keras file of Keras, ` +
    'of MobileNet V1 or V2.'
  );
}
