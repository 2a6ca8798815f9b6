import { expect } from 'vitest';
import { join } from 'node:path';
import { lines } from './interrupted-run.js';
import { runCli } from './run-cli.js';

/** Trains a run of a second or two on made-up images, too fast for its last epoch to be the best, whatever lies there already; answers its folder. */
export async function trainSmall(data: string, out: string, ...more: readonly string[]): Promise<string> {
  const options =
    '--policy fixed --decay none --lr 0.005 --trainable last:1 --image-size 32 --batch-size 8 --epochs 3';
  const trained = await runCli([
    'train',
    '--data',
    data,
    '--out',
    out,
    '--again',
    '--json',
    '--quiet',
    ...options.split(' '),
    ...more,
  ]);
  expect(trained.code, trained.stderr).toBe(0);
  return (JSON.parse(trained.stdout) as { run: string }).run;
}

/** A line of a run's predictions.jsonl. */
export interface RecordedPrediction {
  readonly image: string;
  readonly label: number;
  readonly final: { readonly predicted: number; readonly probability: number };
  readonly best: { readonly predicted: number; readonly probability: number };
}

export function recordedPredictions(run: string): RecordedPrediction[] {
  return lines(join(run, 'predictions.jsonl')).map((line) => JSON.parse(line) as RecordedPrediction);
}
