import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import type { Arithmetic, BackendInfo } from '../engine/backends/backend-info.js';

/** Where a run was computed: versions, backend, device and cores, as environment.json holds it. */
export interface Environment {
  readonly onecycle: string;
  readonly node: string;
  readonly platform: string;
  readonly backend: string;
  readonly device: string;
  /** Of a graphics card, where it tells; null elsewhere. */
  readonly driver: string | null;
  /** Of wasm: how a product is added to a sum; null elsewhere. */
  readonly arithmetic: Arithmetic | null;
  readonly cores: number;
  /** Runs that were trained side by side, in comparisons. */
  readonly jobs?: number;
  readonly cpu: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** Where a run was computed, and how its batches were cut. */
export interface RunEnvironment extends Environment {
  readonly workers: number;
  readonly sliceSize: number;
}

/** Describes this process with the backend that was started. */
export function describeEnvironment(backend: BackendInfo): Environment {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return {
    onecycle: version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    backend: backend.name,
    device: backend.device,
    driver: backend.driver,
    arithmetic: backend.arithmetic ?? null,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    versions: backend.versions,
  };
}
