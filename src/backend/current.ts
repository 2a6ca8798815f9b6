import type { BackendName } from './backend-info.js';

let current: BackendName | undefined;

/** The backend that computes in this thread. Throws where none was started. */
export function currentBackend(): BackendName {
  if (current === undefined) throw new Error('no backend was started');
  return current;
}

/** From here on that backend computes. */
export function setCurrentBackend(name: BackendName): void {
  current = name;
}
