import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BACKENDS, type BackendName } from '../backend/backend-info.js';
import type { BackendProbe } from './probe-protocol.js';

/** A driver that hangs must not hang who asks about it. */
const PATIENCE_MS = 60_000;

/** Tries every backend, one after another so that none slows another down, each in a process of its own. */
export async function examineBackends(signal: AbortSignal): Promise<BackendProbe[]> {
  const probes: BackendProbe[] = [];
  for (const name of BACKENDS) {
    if (!signal.aborted) probes.push(await probe(name));
  }
  return probes;
}

/** The backend that `auto` takes: a graphics card, else wasm, else cpu. */
export function automatic(probes: readonly BackendProbe[]): BackendName | null {
  const fits = probes.find(
    (found) => found.works && (found.info.gpu || found.name === 'wasm' || found.name === 'cpu'),
  );
  return fits?.name ?? null;
}

function probe(name: BackendName): Promise<BackendProbe> {
  // The compiled file, also when this one runs from its source.
  const file = fileURLToPath(new URL('../../dist/experiments/probe-backend.js', import.meta.url));
  return new Promise((resolve) => {
    execFile(process.execPath, [file, name], { timeout: PATIENCE_MS }, (error, stdout, stderr) => {
      // Of a process that died or was stopped, the last whole line still counts.
      const line = stdout.slice(0, stdout.lastIndexOf('\n')).split('\n').at(-1) ?? '';
      if (line !== '') {
        const found: BackendProbe = JSON.parse(line);
        resolve(found);
        return;
      }
      const end =
        error?.killed === true ? `it did not start within ${PATIENCE_MS / 1000} s` : 'its process died';
      const said = stderr.trim().split('\n').at(-1) ?? '';
      resolve({
        name,
        works: false,
        why: said === '' ? end : `${end} (${said})`,
        remedy: 'Update its driver, or use another backend.',
      });
    });
  });
}
