import { execa } from 'execa';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Debian's own, for which apt-get has PyTorch; PYTHON names another. */
export const PYTHON = process.env['PYTHON'] ?? '/usr/bin/python3';

const LOOK_EVERY_MS = 100;

/** Runs a program whose last line on stdout is a JSON document. Throws where it fails. */
export async function runJson<T>(
  file: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<T> {
  const { stdout } = await execa(file, args, { cwd: ROOT, env });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

/** Runs one of the measuring scripts of this folder. */
export function runScript<T>(name: string, args: readonly string[]): Promise<T> {
  const script = fileURLToPath(new URL(name, import.meta.url));
  return runJson(process.execPath, ['--import', 'tsx', script, ...args]);
}

/** Runs `onecycle` and watches its memory. Peak is NaN where there is no /proc. `root` is a built checkout. */
export async function runOnecycle(
  args: readonly string[],
  root = ROOT,
  env: Record<string, string> = {},
): Promise<{ stdout: string; peakMegabytes: number }> {
  const child = execa(process.execPath, ['bin/onecycle.js', ...args], { cwd: root, env });
  let peakMegabytes = NaN;
  const watch = setInterval(() => {
    void highWaterMark(child.pid).then((megabytes) => (peakMegabytes = megabytes ?? peakMegabytes));
  }, LOOK_EVERY_MS);
  try {
    const { stdout } = await child;
    return { stdout, peakMegabytes };
  } finally {
    clearInterval(watch);
  }
}

async function highWaterMark(pid: number | undefined): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid ?? 0}/status`, 'utf8').catch(() => '');
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
}
