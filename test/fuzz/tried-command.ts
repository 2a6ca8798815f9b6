import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A command line to try, and the signal that may end it. */
export interface Try {
  /** What was generated, for a reader. */
  readonly kind: string;
  readonly args: readonly string[];
  readonly signal?: { readonly name: NodeJS.Signals; readonly afterMs: number };
}

/** What a try came to; `fault` says what it must not do and did. */
export interface TriedCommand {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly fault: string | undefined;
}

const BIN = new URL('../../bin/onecycle.js', import.meta.url).pathname;
const CODES = new Set([0, 1, 2, 129, 130, 143]);
/** Seconds without a byte of output or a change under `watched`. */
const PATIENCE = 10;
/** Seconds of processor time in these that mean a loop; less than the other mean that it waits for something that never comes. */
const SPINS = 9;
const IDLES = 0.5;
/** Seconds after which a run that goes on (damage may have given it a million epochs) is asked to stop, and must. */
const LONGEST = 20;

/** Runs the program in `cwd` and judges it. @param watched a folder that changes while there is progress */
export async function tryCommand({ args, signal }: Try, cwd: string, watched: string): Promise<TriedCommand> {
  const env = {
    ...process.env,
    NO_COLOR: '1',
    COLUMNS: '80',
    UV_THREADPOOL_SIZE: '4',
    ONECYCLE_CACHE: join(cwd, '.cache'),
  };
  const child = spawn(process.execPath, [BIN, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (output[name] += text));
  }
  const timer = signal && setTimeout(() => child.kill(signal.name), signal.afterMs);
  let hang: string | undefined;
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.on('close', (code, by) => resolve([code, by])),
  );
  const done = ended.then(() => true as const);
  void watchForHang(
    child,
    () => `${output.stdout.length} ${output.stderr.length} ${sizesUnder(watched)}`,
    done,
  ).then((found) => {
    hang = found;
    if (found !== undefined) child.kill('SIGKILL');
  });
  const [code, by] = await ended;
  clearTimeout(timer);
  const killed = signal?.name === 'SIGKILL' && by === 'SIGKILL';
  // Before it listens, while it ends, or for the second time; SIGINT also comes where a try takes too long.
  const second = by !== null && (by === signal?.name || by === 'SIGINT');
  return {
    code,
    signal: by,
    ...output,
    fault: hang ?? (killed || second ? undefined : faultOf(code, by, output)),
  };
}

function faultOf(
  code: number | null,
  signal: NodeJS.Signals | null,
  { stdout, stderr }: { readonly stdout: string; readonly stderr: string },
): string | undefined {
  if (code === null || !CODES.has(code)) return `ended with ${code ?? signal}`;
  const said = stdout + stderr;
  if (/\n\s+at .+[:(]/u.test(said) || said.includes('This is a bug')) return 'a stack';
  // Line ends aside, nothing that steers a terminal.
  const steering = /(?!\n)[\p{Cc}\p{Zl}\p{Zp}]/u.exec(said);
  if (steering !== null) return `a control character: ${JSON.stringify(steering[0])}`;
  if (code !== 0 && stderr.trim() === '') return 'failed without a word';
  return undefined;
}

async function watchForHang(
  child: ChildProcess,
  progress: () => string,
  done: Promise<true>,
): Promise<string | undefined> {
  const { pid } = child;
  const begun = performance.now();
  let [asked, starved] = [false, false];
  let [last, lastChange, cpuThen] = [progress(), performance.now(), 0];
  for (;;) {
    if (await Promise.race([done, sleep(200).then(() => false)])) return undefined;
    const now = performance.now();
    const seen = progress();
    const cpu = processorSeconds(pid);
    if (seen !== last) [last, lastChange, cpuThen, starved] = [seen, now, cpu, false];
    // A busy machine gives it no time: that is no hang.
    starved ||= wantsProcessor(pid);
    const quiet = (now - lastChange) / 1000;
    const used = cpu - cpuThen;
    if (quiet > PATIENCE && used < IDLES && !starved)
      return `hangs: nothing for ${PATIENCE} s, and it does not compute`;
    if (quiet > PATIENCE && used > SPINS) return `hangs: nothing for ${PATIENCE} s, but it computes`;
    if ((now - begun) / 1000 > LONGEST && !asked) asked = child.kill('SIGINT');
  }
}

/** Whether one of its threads is ready to run, or waits for the disk. */
function wantsProcessor(pid: number | undefined): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).some((thread) => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1');
      return 'RD'.includes(stat.charAt(stat.lastIndexOf(')') + 2));
    });
  } catch {
    return false;
  }
}

/** Of all threads of a process, user and system: fields 14 and 15 of proc(5), in hundredths. */
function processorSeconds(pid: number | undefined): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return 0;
  }
}

function sizesUnder(folder: string): string {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .map(
        (entry) => `${entry.name} ${entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : ''}`,
      )
      .join();
  } catch {
    // It is being made or removed this moment.
    return 'none';
  }
}
