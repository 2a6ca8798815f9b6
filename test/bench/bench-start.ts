import { execa } from 'execa';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ROOT } from './bench-child.js';
import { ratios, spread, type Spread } from './bench-spread.js';

/** How long the program takes before it does anything. */
export interface StartUp {
  readonly helpMs: Spread;
  readonly bareNodeMs: Spread;
  /** `onecycle --help` over `node -e 0`, in pairs. */
  readonly ratio: Spread;
  /** Seconds from the start of `onecycle train` to its first step, data decoded and checkpoint written. */
  readonly firstStepSeconds: number;
}

const PAIRS = 20;

export async function benchStart(): Promise<StartUp> {
  const help: number[] = [];
  const bare: number[] = [];
  for (let i = 0; i < PAIRS; i++) {
    help.push(startAndEnd(['bin/onecycle.js', '--help']));
    bare.push(startAndEnd(['-e', '0']));
  }
  return {
    helpMs: spread(help),
    bareNodeMs: spread(bare),
    ratio: ratios(help, bare),
    firstStepSeconds: await firstStep(),
  };
}

function startAndEnd(args: readonly string[]): number {
  const begin = performance.now();
  spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'ignore' });
  return performance.now() - begin;
}

/** A run writes a checkpoint right before its first step: that file is waited for. */
async function firstStep(): Promise<number> {
  const out = await mkdtemp(join(tmpdir(), 'onecycle-bench-'));
  const begin = performance.now();
  const child = execa(process.execPath, ['bin/onecycle.js', 'train', '--out', out], {
    cwd: ROOT,
    reject: false,
  });
  let running = true;
  void child.then(() => (running = false));
  try {
    while (running && !hasCheckpoint(out)) await pause(5);
    if (!running) throw new Error(`onecycle train ended too early: ${(await child).stderr}`);
    return (performance.now() - begin) / 1000;
  } finally {
    child.kill('SIGKILL');
    await child;
    await rm(out, { recursive: true, force: true });
  }
}

function hasCheckpoint(out: string): boolean {
  return readdirSync(out).some((run) => {
    const folder = join(out, run, 'checkpoints');
    return existsSync(folder) && readdirSync(folder).some((name) => name.startsWith('last'));
  });
}
