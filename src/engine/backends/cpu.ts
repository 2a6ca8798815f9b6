import '@tensorflow/tfjs-backend-cpu';
import { enableProdMode, setBackend } from '@tensorflow/tfjs-core';

/** Makes tfjs's plain JavaScript the current backend. */
export async function startCpu(): Promise<void> {
  enableProdMode();
  await setBackend('cpu');
}
