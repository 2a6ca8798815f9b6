import { execa, type ExecaError, type Result } from 'execa';
import { onTestFinished } from 'vitest';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BIN = join(ROOT, 'bin', 'onecycle.js');

/** What a run of the program left: exit code and both streams. */
export interface CliResult {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built program as a shell would, without a terminal; never rejects. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const result: Result | ExecaError = await startCli(args, options);
  return { code: result.exitCode, stdout: String(result.stdout), stderr: String(result.stderr) };
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Of Node itself. */
  readonly flags?: readonly string[];
}

/** The same as a process that the test may signal. */
export function startCli(args: readonly string[], { cwd, env = {}, flags = [] }: CliOptions = {}) {
  return execa(process.execPath, [...flags, BIN, ...args], {
    reject: false,
    stdin: 'ignore',
    env: { NO_COLOR: '1', COLUMNS: '80', ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
}

/** A folder that is gone after the test. */
export async function scratchFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'onecycle-test-'));
  // It may hold a hundred thousand files.
  onTestFinished(() => rm(dir, { recursive: true, force: true }), 300_000);
  return dir;
}
