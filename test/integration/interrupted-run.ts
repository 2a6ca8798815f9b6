import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeCheckpoint } from '../../src/runs/checkpoint.js';
import { isJsonObject } from '../../src/runs/json.js';
import { type CliResult, startCli } from './run-cli.js';

/** A checkpoint after every step, so that a run may stop anywhere and kills meet many writes. */
export const EVERY_STEP = { ONECYCLE_CHECKPOINT_SECONDS: '0' };

/** A run of a few seconds on made-up images, without the options that a resume must not repeat. */
export const SMALL_RUN = '--image-size 32 --trainable last:2 --views 2 --batch-size 4 --epochs 4'.split(' ');

/** Whole lines of a file; none where there is no file. */
export function lines(path: string): string[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}

/** The folders of `out`, hidden ones left out; none where there is no `out`. */
export function runFolders(out: string): string[] {
  if (!existsSync(out)) return [];
  return readdirSync(out)
    .filter((name) => !name.startsWith('.'))
    .map((name) => join(out, name));
}

/** Starts the program and sends it `signal` as soon as `ready` holds. */
export async function interrupt(
  args: readonly string[],
  ready: () => boolean,
  signal: NodeJS.Signals = 'SIGINT',
): Promise<CliResult> {
  const child = startCli(args, { env: EVERY_STEP });
  let ended = false;
  const end = child.finally(() => (ended = true));
  while (!ended && !ready()) await sleep(2);
  child.kill(signal);
  const { exitCode, stdout, stderr } = await end;
  return { code: exitCode, stdout: String(stdout), stderr: String(stderr) };
}

/** Starts a run into `dir` and interrupts it once it has recorded `steps` steps. */
export function interruptAfter(args: readonly string[], dir: string, steps: number): Promise<CliResult> {
  return interrupt(args, () => lines(join(dir, 'steps.jsonl')).length >= steps);
}

/** All that a finished run must have in common with one that was never interrupted, bit for bit. */
export function outcome(dir: string): object {
  const { header, tensors } = decodeCheckpoint(readFileSync(join(dir, 'checkpoints', 'last.ckpt')));
  const state = isJsonObject(header) && isJsonObject(header['state']) ? header['state'] : {};
  return {
    steps: readFileSync(join(dir, 'steps.jsonl'), 'utf8'),
    predictions: readFileSync(join(dir, 'predictions.jsonl'), 'utf8'),
    events: lines(join(dir, 'events.jsonl')),
    model: sha256(readFileSync(join(dir, 'model', 'weights.bin'))),
    tensors: [...tensors].map(([name, { buffer }]) => [name, sha256(Buffer.from(buffer))]),
    scheduleState: state['scheduleState'],
    best: state['best'],
    epochs: lines(join(dir, 'epochs.jsonl')).map((line) => {
      const epoch = JSON.parse(line) as Record<string, unknown>;
      return { ...epoch, seconds: 'any' };
    }),
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
