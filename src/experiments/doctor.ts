import { readFileSync } from 'node:fs';
import { access, constants, statfs } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, tmpdir, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { bundledWeights } from '../model/resolve-weights.js';
import { automatic, examineBackends } from './examine-backends.js';
import type { BackendProbe } from './probe-protocol.js';

/** A folder that the program works with. */
export interface FolderState {
  readonly path: string;
  readonly writable: boolean;
  /** Bytes, or null where the system does not tell. */
  readonly free: number | null;
}

/** What this machine can do, and what is missing for more. */
export interface DoctorDocument {
  readonly schemaVersion: number;
  readonly command: 'doctor';
  readonly onecycle: string;
  readonly machine: {
    readonly node: string;
    readonly platform: string;
    readonly cpu: string;
    readonly cores: number;
    /** Bytes. */
    readonly memory: number;
    readonly freeMemory: number;
  };
  readonly backends: readonly BackendProbe[];
  /** What --backend auto takes; null where none works. */
  readonly automatic: string | null;
  readonly folders: {
    readonly cache: FolderState;
    readonly weights: FolderState;
    readonly runs: FolderState;
  };
  readonly bundledWeights: readonly string[];
}

/** Examines machine, backends and folders. Takes a few seconds a backend. */
export async function examine(signal: AbortSignal): Promise<DoctorDocument> {
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
