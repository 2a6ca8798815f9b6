import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RateTable, Settings } from '../config/default-settings.js';
import { RunError, UsageError } from '../errors/errors.js';
import { trainedPart } from '../config/run-config.js';
import type { Recommendation } from '../stats/recommendation.js';

type Recommended = Recommendation['recommended'];

/**
 * The learning rate of one arm: as stated, as measurement gave it for the trained part, as a range test
 * finds it now (`auto`), or as an earlier one found it (`from:RUN`).
 *
 * @param find runs the range test with the arm's settings
 * @throws UsageError where the statement does not fit the arms, RunError where the range test refuses
 */
export async function resolveRate(
  settings: Settings,
  rates: RateTable,
  arm: string,
  find: () => Promise<Recommendation>,
): Promise<number> {
  const stated = statedRate(settings, arm);
  if (typeof stated === 'number') return stated;
  if (stated === undefined) return measuredRate(settings, rates);
  if (stated === 'auto') {
    const { recommended, reason } = await find();
    if (recommended === null) throw new RunError(`--lr auto: the range test gives no rate. ${reason}`);
    return rateFor(settings.policy, recommended);
  }
  return rateFor(settings.policy, await readRecommended(stated.slice('from:'.length)));
}

function statedRate({ lr, policy }: Settings, arm: string): number | string | undefined {
  if (lr === undefined || typeof lr === 'number' || typeof lr === 'string') return lr;
  return lr[arm] ?? lr[policy];
}

function measuredRate({ trainable, policy }: Settings, rates: RateTable): number {
  const rate = rates[trainedPart(trainable)][policy];
  if (rate === undefined)
    throw new Error(`configs/default.json holds no rate for ${policy} and ${trainable}`);
  return rate;
}

function rateFor(
  policy: Settings['policy'],
  { learningRate, fixedLearningRate }: NonNullable<Recommended>,
): number {
  return policy === '1cycle' ? learningRate : fixedLearningRate;
}

async function readRecommended(run: string): Promise<NonNullable<Recommended>> {
  const path = join(run, 'suggestion.json');
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UsageError(
      `--lr from:${run}: there is no ${path}. Expected the folder of a finished find-lr run.`,
    );
  });
  let found: { recommended?: Recommended; reason?: string };
  try {
    found = JSON.parse(text);
  } catch {
    throw new UsageError(`--lr from:${run}: ${path} is damaged. Run onecycle find-lr again.`);
  }
  const { recommended, reason = '' } = found;
  if (recommended === null) throw new UsageError(`--lr from:${run}: that range test gave no rate. ${reason}`);
  if (!isRate(recommended?.learningRate) || !isRate(recommended?.fixedLearningRate)) {
    throw new UsageError(`--lr from:${run}: ${path} holds no recommended rates. Run onecycle find-lr again.`);
  }
  return recommended;
}

function isRate(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}
