import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCli, type CliResult } from '../integration/run-cli.js';

/** What a process did and what it took. */
export interface WatchedRun extends CliResult {
  /** The most memory that it ever held, in bytes: VmHWM, proc(5). */
  readonly peak: number;
  readonly seconds: number;
}

/** Runs the program, notes its largest memory, and sends it SIGINT once `enough` holds. Linux only. */
export async function watchedRun(
  args: readonly string[],
  enough: () => boolean = () => false,
): Promise<WatchedRun> {
  const started = performance.now();
  const child = startCli(args);
  let ended = false;
  let told = false;
  let peak = 0;
  const end = child.finally(() => (ended = true));
  while (!ended) {
    peak = Math.max(peak, peakOf(child.pid));
    if (!told && enough()) told = child.kill('SIGINT');
    await sleep(50);
  }
  const { exitCode, stdout, stderr } = await end;
  const seconds = (performance.now() - started) / 1000;
  return { code: exitCode, stdout: String(stdout), stderr: String(stderr), peak, seconds };
}

function peakOf(pid: number | undefined): number {
  const path = `/proc/${pid}/status`;
  const status = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return 1024 * Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? 0);
}
