import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isTemporaryName } from '../../src/runs/atomic.js';
import { readNewestCheckpoint } from '../../src/runs/checkpoint.js';
import { readRun } from '../../src/runs/read-run.js';
import { EVERY_STEP, lines, runFolders } from '../integration/interrupted-run.js';
import { startCli } from '../integration/run-cli.js';

/** When a process is killed. */
export type KillMoment =
  /** So many milliseconds after its start. */
  | { readonly kind: 'time'; readonly ms: number }
  /** While a checkpoint is being written, after so many that were left alone. */
  | { readonly kind: 'checkpoint'; readonly after: number };

/** What became of one process. */
export interface KillOutcome {
  readonly killed: boolean;
  /** Whether a half-written file lay in the run's folder after the kill. */
  readonly tornWrite: boolean;
  readonly stderr: string;
  readonly code: number | undefined;
}

/** Starts the program and ends it by SIGKILL at that moment, if it has not ended before. */
export async function startAndKill(
  args: readonly string[],
  out: string,
  moment: KillMoment,
): Promise<KillOutcome> {
  const child = startCli(args, { env: EVERY_STEP });
  let ended = false;
  const end = child.finally(() => (ended = true));
  if (moment.kind === 'time') {
    await Promise.race([sleep(moment.ms), end]);
  } else {
    let writing = false;
    for (let writes = 0; !ended && writes <= moment.after;) {
      const now = temporaryFiles(out).length > 0;
      if (now && !writing) writes++;
      writing = now;
      // As fast as the event loop goes: a checkpoint takes a few milliseconds.
      if (writes <= moment.after) await sleep(0);
    }
  }
  child.kill('SIGKILL');
  const { exitCode, stderr } = await end;
  const killed = exitCode === undefined;
  return { killed, tornWrite: temporaryFiles(out).length > 0, stderr: String(stderr), code: exitCode };
}

function temporaryFiles(out: string): string[] {
  return runFolders(out).flatMap((dir) => {
    const checkpoints = join(dir, 'checkpoints');
    return existsSync(checkpoints) ? readdirSync(checkpoints).filter(isTemporaryName) : [];
  });
}

/** Throws unless a killed run's folder can be read, holds a whole checkpoint, and each step exactly once. */
export async function inspect(dir: string): Promise<{ readonly steps: number; readonly completed: boolean }> {
  const record = await readRun(dir);
  record.steps.forEach(({ step }, i) => {
    if (step !== i) throw new Error(`line ${i + 1} of ${dir}/steps.jsonl is step ${step}`);
  });
  const { header } = await readNewestCheckpoint(dir);
  const { state } = header as { state: { step: number } };
  if (record.steps.length < state.step) {
    throw new Error(
      `${dir} lost lines: the checkpoint stands at ${state.step}, steps.jsonl at ${record.steps.length}`,
    );
  }
  return { steps: lines(join(dir, 'steps.jsonl')).length, completed: record.status === 'completed' };
}
