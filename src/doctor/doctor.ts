import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { access, constants, statfs } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, tmpdir, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type BackendName, BACKENDS } from '../engine/backends/backend-info.js';
import { bundledWeights } from '../model/load/weights.js';
import type { BackendProbe, DoctorDocument, FolderState } from '../runs/documents.js';

/** Examines machine, backends and folders. Takes a few seconds a backend. */
export async function examine(signal: AbortSignal): Promise<Omit<DoctorDocument, 'terminal'>> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const backends = await examineBackends(signal);
  return {
    schemaVersion: 1,
    command: 'doctor',
    onecycle: version,
    machine: {
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
      memory: totalmem(),
      freeMemory: freemem(),
    },
    backends,
    automatic: automatic(backends),
    folders: {
      cache: await folderState(tmpdir()),
      weights: await folderState(fileURLToPath(new URL('../../data/weights', import.meta.url))),
      runs: await folderState(process.cwd()),
    },
    bundledWeights: bundledWeights(),
  };
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

/** A driver that hangs must not hang who asks about it. */
const PATIENCE_MS = 60_000;

/** Tries every backend, one after another so that none slows another down, each in a process of its own. */
async function examineBackends(signal: AbortSignal): Promise<BackendProbe[]> {
  const probes: BackendProbe[] = [];
  for (const name of BACKENDS) {
    if (!signal.aborted) probes.push(await probe(name));
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

function probe(name: BackendName): Promise<BackendProbe> {
  // The compiled file, also when this one runs from its source.
  const file = fileURLToPath(new URL('../../dist/doctor/probe.js', import.meta.url));
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
