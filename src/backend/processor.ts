import { cpus } from 'node:os';

/** The processor as its maker calls it. */
export function cpuModel(): string {
  return cpus()[0]?.model.trim() ?? 'unknown processor';
}
