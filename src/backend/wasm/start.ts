import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { env, ready, setBackend } from '@tensorflow/tfjs-core';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { RunError } from '../../errors/errors.js';
import { registerTrainingKernels } from './register.js';

/** Makes the wasm backend the current one, single-threaded (its threaded build does not start in Node), ready to train. */
export async function startWasm(): Promise<void> {
  const library = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(dirname(library) + sep);
  env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  if (!(await setBackend('wasm'))) throw new RunError('The wasm backend of TensorFlow.js did not start.');
  await ready();
  await registerTrainingKernels();
}
