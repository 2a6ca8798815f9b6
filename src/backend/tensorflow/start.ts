import { Unavailable, type BackendInfo, type BackendRequest } from '../backend-info.js';
import { cpuModel } from '../processor.js';
import { versionsOf } from '../versions.js';
import { findTensorFlow } from './find-package.js';
import { loadTensorFlow } from './load-package.js';
import { hasNvidiaDriver, nvidiaCard } from './nvidia.js';

/**
 * Makes native TensorFlow (tfjs-node-gpu or tfjs-node) the current backend, ready to train.
 * @throws Unavailable, with nothing registered, where it is not installed, does not load, or finds no GPU and `gpuOnly`
 */
export async function startTensorFlow({ gpuOnly, debug }: BackendRequest): Promise<BackendInfo> {
  const found = findTensorFlow();
  // Loading the native library takes half a second: not where there is nothing for it to find.
  if (gpuOnly && !hasNvidiaDriver()) throw new Unavailable('no NVIDIA driver', NO_GPU);
  const { enableProdMode, findBackendFactory, ready, registerBackend, removeBackend, setBackend } =
    await import('@tensorflow/tfjs-core');
  enableProdMode();
  const loaded = loadTensorFlow(found, debug);
  if (gpuOnly && !loaded.onGpu) throw new Unavailable(`${found.name} finds no GPU that it can use`, NO_GPU);
  registerBackend('tensorflow', loaded.createBackend, 3);
  if (!(await setBackend('tensorflow'))) {
    if (findBackendFactory('tensorflow') !== null) removeBackend('tensorflow');
    throw new Unavailable(`${found.name} did not start`, `Reinstall it with: npm rebuild ${found.name}.`);
  }
  await ready();
  loaded.registerKernels();
  const card = loaded.onGpu ? await nvidiaCard() : undefined;
  return {
    name: 'tensorflow',
    device: loaded.onGpu ? (card?.name ?? 'a CUDA GPU') : `${cpuModel()} (no GPU in use)`,
    gpu: loaded.onGpu,
    driver: card === undefined ? null : `NVIDIA ${card.driver}`,
    limits: card === undefined ? {} : { memory: card.memory },
    versions: {
      ...versionsOf('@tensorflow/tfjs-core'),
      [found.name.replace('@tensorflow/', '')]: versionIn(found.require),
      libtensorflow: loaded.version,
    },
  };
}

const NO_GPU =
  'It needs an NVIDIA card, its driver, CUDA 11.2 and cuDNN 8.1; --backend tensorflow computes on the processor without.';

function versionIn(require: NodeJS.Require): string {
  const { version }: { version: string } = require('./package.json');
  return version;
}
