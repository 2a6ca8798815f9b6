import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { access, constants, statfs } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, tmpdir, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BackendName, BACKENDS } from '../engine/backends/backend-info.js';
import { cacheFolder } from '../fetch/cache.js';
import { cachedBytes, cacheLimit, computedFolder } from '../fetch/value-cache.js';
import { bundledWeights } from '../model/load/weights.js';
import type { BackendProbe, DoctorDocument, FolderState } from '../runs/documents.js';

/** What is known before a backend has been tried. */
export type ExaminedMachine = Pick<
  DoctorDocument,
  'schemaVersion' | 'command' | 'status' | 'onecycle' | 'machine'
>;

/** Looks at the machine. */
export function examineMachine(): ExaminedMachine {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return {
    schemaVersion: 1,
    command: 'doctor',
    status: 'completed',
    onecycle: version,
    machine: {
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
      memory: totalmem(),
      freeMemory: freemem(),
    },
  };
}

/** Tries the backends, which takes ten seconds at most, and looks at the folders. `onProbe` receives each backend as it is done. */
export async function examine(
  machine: ExaminedMachine,
  signal: AbortSignal,
  onProbe: (probe: BackendProbe) => void,
): Promise<Omit<DoctorDocument, 'terminal'>> {
  const backends = await examineBackends(signal, onProbe);
  return {
    ...machine,
    backends,
    automatic: automatic(backends),
    folders: {
      cache: await folderState(tmpdir()),
      downloads: { ...(await folderState(nearestThere(cacheFolder()))), path: cacheFolder() },
      weights: await folderState(fileURLToPath(new URL('../../data/weights', import.meta.url))),
      runs: await folderState(process.cwd()),
    },
    computed: { path: computedFolder(), bytes: cachedBytes(), limit: cacheLimit() },
    bundledWeights: bundledWeights(),
  };
}

/** A folder, or what is there above it. */
function nearestThere(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestThere(dirname(path));
}

async function folderState(path: string): Promise<FolderState> {
  const writable = await access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
  const free = await statfs(path).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => null,
  );
  return { path, writable, free };
}

/** Seconds for all backends together: a driver that hangs must not hang who asks about it, nor a busy machine. */
const PATIENCE = 10;
/** Seconds of these that those before a backend leave to it; mostly they need less, and it has more. */
const RESERVED: Readonly<Record<BackendName, number>> = { tensorflow: 4, webgpu: 1.5, wasm: 3.5, cpu: 1 };

/** Tries every backend, one after another so that none slows another down, each in a process of its own. */
async function examineBackends(
  signal: AbortSignal,
  onProbe: (probe: BackendProbe) => void,
): Promise<BackendProbe[]> {
  const end = performance.now() + 1000 * PATIENCE;
  const probes: BackendProbe[] = [];
  for (const [i, name] of BACKENDS.entries()) {
    if (signal.aborted) break;
    const later = BACKENDS.slice(i + 1).reduce((sum, other) => sum + RESERVED[other], 0);
    const found = await probe(name, (end - performance.now()) / 1000 - later, signal);
    probes.push(found);
    onProbe(found);
  }
  return probes;
}

/** The backend that `auto` takes: a graphics card, else wasm, else cpu. */
function automatic(probes: readonly BackendProbe[]): BackendName | null {
  const fits = probes.find(
    (found) => found.works && (found.info.gpu || found.name === 'wasm' || found.name === 'cpu'),
  );
  return fits?.name ?? null;
}

function probe(name: BackendName, seconds: number, signal: AbortSignal): Promise<BackendProbe> {
  // The compiled file, also when this one runs from its source.
  const file = fileURLToPath(new URL('../../dist/doctor/probe.js', import.meta.url));
  return new Promise((resolve) => {
    // Not with a signal that a driver may hold back.
    const options = {
      timeout: Math.max(500, Math.round(1000 * seconds)),
      killSignal: 'SIGKILL',
      signal,
    } as const;
    execFile(process.execPath, [file, name], options, (error, stdout, stderr) => {
      // Of a process that died or was stopped, the last whole line still counts.
      const line = stdout.slice(0, stdout.lastIndexOf('\n')).split('\n').at(-1) ?? '';
      if (line !== '') {
        const found: BackendProbe = JSON.parse(line);
        resolve(found);
        return;
      }
      const late = error?.killed === true;
      const end = late ? `it did not start within ${seconds.toFixed(1)} s` : 'its process died';
      const said = stderr.trim().split('\n').at(-1) ?? '';
      resolve({
        name,
        works: false,
        why: said === '' ? end : `${end} (${said})`,
        remedy: late
          ? `Ask again when the machine is less busy; train --backend ${name} waits as long as it takes.`
          : 'Update its driver, or use another backend.',
      });
    });
  });
}
