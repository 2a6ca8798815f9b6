import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { UsageError } from '../errors/errors.js';
import { startWasm } from './wasm/start.js';

/** The backend that computes, as records quote it. */
export interface BackendInfo {
  readonly name: 'wasm' | 'cpu';
  /** What it runs on, in words. */
  readonly device: string;
  /** Versions of the packages behind it. */
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * Starts a tfjs backend and makes it the current one: `auto` takes wasm.
 * @throws UsageError where the one asked for is not to be had
 */
export async function startBackend(wanted: string): Promise<BackendInfo> {
  tf.enableProdMode();
  switch (wanted) {
    case 'auto':
    case 'wasm':
      await startWasm();
      return { name: 'wasm', device: cpuModel(), versions: versionsOf('tfjs-core', 'tfjs-backend-wasm') };
    case 'cpu':
      await import('@tensorflow/tfjs-backend-cpu');
      await tf.setBackend('cpu');
      return { name: 'cpu', device: cpuModel(), versions: versionsOf('tfjs-core', 'tfjs-backend-cpu') };
    default:
      throw new UsageError(
        `The backend ${wanted} is not supported by this version. Use --backend wasm, or leave --backend out.`,
      );
  }
}

function cpuModel(): string {
  return cpus()[0]?.model.trim() ?? 'unknown';
}

function versionsOf(...packages: readonly string[]): Record<string, string> {
  const require = createRequire(import.meta.url);
  return Object.fromEntries(
    packages.map((name) => [
      name,
      (require(`@tensorflow/${name}/package.json`) as { version: string }).version,
    ]),
  );
}
