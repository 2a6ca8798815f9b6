import { execa } from 'execa';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from './bench-child.js';
import { ratios, spread, type Spread } from './bench-spread.js';

/** How long the program takes before it does anything. */
export interface StartUp {
  readonly helpMs: Spread;
  readonly bareNodeMs: Spread;
  /** `onecycle --help` over `node -e 0`, in pairs. */
  readonly ratio: Spread;
  /** `onecycle --help` over that of another build, in pairs; null where none is named. */
  readonly overOther: Spread | null;
  /** Seconds from the start of `onecycle train` to the end of its first step. */
  readonly firstStepSeconds: number;
}

const PAIRS = 20;

/** @param other the folder of another build */
export async function benchStart(other: string | undefined): Promise<StartUp> {
  const help: number[] = [];
  const bare: number[] = [];
  const others: number[] = [];
  for (let i = 0; i < PAIRS; i++) {
    help.push(startAndEnd(['bin/onecycle.js', '--help']));
    bare.push(startAndEnd(['-e', '0']));
    if (other !== undefined) others.push(startAndEnd(['bin/onecycle.js', '--help'], other));
  }
  return {
    helpMs: spread(help),
    bareNodeMs: spread(bare),
    ratio: ratios(help, bare),
    overOther: other === undefined ? null : ratios(help, others),
    firstStepSeconds: await firstStep(),
  };
}

function startAndEnd(args: readonly string[], root = ROOT): number {
  const begin = performance.now();
  spawnSync(process.execPath, args, { cwd: root, stdio: 'ignore' });
  return performance.now() - begin;
}

/** The program itself says nothing of a single step to a pipe: a module that is loaded before it does. */
async function firstStep(): Promise<number> {
  const out = await mkdtemp(join(tmpdir(), 'onecycle-bench-'));
  const teller = pathToFileURL(join(ROOT, 'test/bench/tell-first-step.mjs')).href;
  const begin = performance.now();
  const child = execa(process.execPath, ['--import', teller, 'bin/onecycle.js', 'train', '--out', out], {
    cwd: ROOT,
    reject: false,
    ipc: true,
  });
  try {
    await Promise.race([
      child.getOneMessage(),
      child.then(({ stderr }) => {
        throw new Error(`onecycle train ended too early: ${stderr}`);
      }),
    ]);
    return (performance.now() - begin) / 1000;
  } finally {
    child.kill('SIGKILL');
    await child;
    await rm(out, { recursive: true, force: true });
  }
}
