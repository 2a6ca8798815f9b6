import { isDeepStrictEqual } from 'node:util';
import { outcome, runFolders } from '../integration/interrupted-run.js';
import { runCli } from '../integration/run-cli.js';
import { inspect, startAndKill, type KillMoment } from './kill-run.js';

/** What many kills came to. */
export interface KillTally {
  kills: number;
  /** Before the run's folder was there. */
  early: number;
  /** With a half-written checkpoint left behind. */
  torn: number;
  /** Runs that reached their end, each equal to the reference. */
  finished: number;
  /** Distinct steps at which runs stood when they were killed. */
  readonly stoodAt: Set<number>;
}

/** One training command, and where it puts its run. */
export interface KillPlan {
  /** Without --out. */
  readonly args: readonly string[];
  /** A folder of its own for the i-th run. */
  readonly outOf: (i: number) => string;
  /** What the run that nobody killed left: see `outcome`. */
  readonly reference: object;
  /** Milliseconds that a whole run takes, about. */
  readonly duration: number;
  readonly random: () => number;
}

/**
 * Kills runs of one command until `kills` processes were killed: each run is killed and resumed, killed and resumed,
 * until it ends. Throws where a folder cannot be read, a line is lost or doubled, or a run ends otherwise than the
 * reference.
 */
export async function killAndResume(plan: KillPlan, kills: number): Promise<KillTally> {
  const tally: KillTally = { kills: 0, early: 0, torn: 0, finished: 0, stoodAt: new Set() };
  for (let i = 0; tally.kills < kills; i++) await oneRun(plan, plan.outOf(i), kills, tally);
  return tally;
}

async function oneRun(plan: KillPlan, out: string, kills: number, tally: KillTally): Promise<void> {
  for (;;) {
    const [dir] = runFolders(out);
    const args = dir === undefined ? [...plan.args, '--out', out] : ['train', '--resume', dir, '--quiet'];
    if (tally.kills >= kills) {
      const { code, stderr } = await runCli(args);
      if (code !== 0) throw new Error(`the last resume of ${out} ended with ${code}: ${stderr}`);
      break;
    }
    const { killed, tornWrite, stderr, code } = await startAndKill(args, out, nextMoment(plan));
    if (!killed) {
      if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`);
      break;
    }
    tally.kills++;
    if (tornWrite) tally.torn++;
    const [made] = runFolders(out);
    if (made === undefined) {
      tally.early++;
      continue;
    }
    const { steps, completed } = await inspect(made);
    tally.stoodAt.add(steps);
    // Killed when all was written and only its exit was left: there is nothing to resume.
    if (completed) break;
  }
  const [dir = ''] = runFolders(out);
  if (!isDeepStrictEqual(outcome(dir), plan.reference)) {
    throw new Error(`${dir} differs from the run that was never killed`);
  }
  tally.finished++;
}

/** Half of the kills at any time, half in the middle of writing one of the next few checkpoints. */
function nextMoment({ random, duration }: KillPlan): KillMoment {
  return random() < 0.5
    ? { kind: 'time', ms: random() * duration }
    : { kind: 'checkpoint', after: Math.floor(random() * 12) };
}
