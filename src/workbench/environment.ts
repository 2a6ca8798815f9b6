import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { shellLine } from '../config/options.js';
import type { BackendInfo } from '../engine/backends/backend-info.js';
import type { Environment } from '../runs/documents.js';

/** Describes this process, and the command that it carries out, with the backend that was started. */
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
    commandLine: shellLine(['onecycle', ...process.argv.slice(2)]),
    startedAt: new Date(Date.now() - 1000 * process.uptime()).toISOString(),
  };
}
