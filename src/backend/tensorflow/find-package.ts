import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Unavailable } from '../backend-info.js';

const GPU_PACKAGE = '@tensorflow/tfjs-node-gpu';
const CPU_PACKAGE = '@tensorflow/tfjs-node';

/** An installed native TensorFlow for Node. */
export interface TensorFlowPackage {
  readonly name: typeof GPU_PACKAGE | typeof CPU_PACKAGE;
  readonly folder: string;
  /** The native addon. */
  readonly binding: string;
  /** Loads modules as that package would. */
  readonly require: NodeJS.Require;
}

const INSTALL = `Install it with: npm install ${GPU_PACKAGE} (NVIDIA card with CUDA 11.2 and cuDNN 8.1 on Linux or Windows) or npm install ${CPU_PACKAGE}; NODE_PATH may name a node_modules folder elsewhere.`;

/**
 * Looks for tfjs-node-gpu, then tfjs-node, where Node finds this program's packages, NODE_PATH included. Loads nothing.
 * @throws Unavailable where there is none, or its native addon was never fetched
 */
export function findTensorFlow(): TensorFlowPackage {
  const require = createRequire(import.meta.url);
  const broken: string[] = [];
  for (const name of [GPU_PACKAGE, CPU_PACKAGE] as const) {
    const manifest = resolved(require, `${name}/package.json`);
    if (manifest === undefined) continue;
    const inside = createRequire(manifest);
    const folder = dirname(manifest);
    const binding = bindingOf(inside, manifest);
    if (binding !== undefined && existsSync(binding)) return { name, folder, binding, require: inside };
    broken.push(name);
  }
  const [name] = broken;
  if (name === undefined) throw new Unavailable('tfjs-node-gpu is not installed', INSTALL);
  throw new Unavailable(
    `${name} is installed without its native part (tfjs_binding.node)`,
    `Fetch it with: npm rebuild ${name} (needs the host storage.googleapis.com, or TFJS_NODE_CDN_STORAGE for a mirror).`,
  );
}

/** node-pre-gyp knows which of the package's addons fits this Node. */
function bindingOf(require: NodeJS.Require, manifest: string): string | undefined {
  try {
    const { find }: { find: (manifest: string) => string } = require('@mapbox/node-pre-gyp');
    return find(manifest);
  } catch {
    return undefined;
  }
}

function resolved(require: NodeJS.Require, request: string): string | undefined {
  try {
    return require.resolve(request);
  } catch {
    return undefined;
  }
}
