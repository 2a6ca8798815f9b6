import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf, MissingPathError, UsageError } from '../../errors.js';

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
 * The absolute path of the model.json that `--weights` means: a bundled name, a folder that holds a
 * model.json, or the JSON file itself. A bundled name wins over a folder of that name (`./name` is
 * the folder). Throws UsageError with the bundled names where it is none of these.
 */
export function resolveWeights(nameOrPath: string): string {
  if (bundledWeights().includes(nameOrPath)) return join(bundledFolder, nameOrPath, 'model.json');
  const path = resolve(nameOrPath);
  const kind = kindOfPath(nameOrPath);
  if (kind === 'nothing') {
    throw new MissingPathError(unusableText(nameOrPath, 'there is no such name, folder or file'), 'weights');
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
    `weights ${JSON.stringify(nameOrPath)}: ${reason}. Expected a bundled name (${bundledWeights().join(', ')}), ` +
    'a folder with a model.json, or the model.json of a TFJS layers-model of MobileNet V1 or V2.'
  );
}
