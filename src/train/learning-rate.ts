import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { flagName } from '../config/options.js';
import { trainedPart } from '../config/run-config.js';
import type { RateTable, Settings } from '../config/settings.js';
import { RunError, UsageError } from '../errors.js';
import { type FoundRate, RUN_FILES } from '../runs/documents.js';
import { isJsonObject, type JsonObject } from '../runs/json.js';
import { SWEEP_FILES } from '../runs/range-test-folder.js';
import { readDocument } from '../runs/read-document.js';

type Recommended = NonNullable<FoundRate['recommended']>;

/** What a rate may have to be asked of. */
export interface RateSources {
  /** Runs the range test with the arm's settings. */
  readonly find: () => Promise<Pick<FoundRate, 'recommended' | 'reason'>>;
  readonly note: (text: string) => void;
}

/** Settings that move the best rate: a range test under others speaks of another training. */
const BEARING = ['data', 'weights', 'trainable', 'headLrMultiplier', 'batchSize', 'epochs'] as const;

/**
 * The learning rate of one arm: as stated, as measurement gave it for the trained part, as a range test
 * finds it now (`auto`), or as an earlier one found it (`from:RUN`).
 *
 * @throws UsageError where the earlier test has no rate to give, RunError where the range test refuses now
 */
export async function resolveRate(
  settings: Settings,
  rates: RateTable,
  arm: string,
  { find, note }: RateSources,
): Promise<number> {
  const stated = statedRate(settings, arm);
  if (typeof stated === 'number') return stated;
  if (stated === undefined) return measuredRate(settings, rates);
  if (stated === 'auto') {
    const { recommended, reason } = await find();
    if (recommended === null) throw new RunError(`--lr auto: the range test gives no rate. ${reason}`);
    return rateFor(settings.policy, recommended);
  }
  const run = stated.slice('from:'.length);
  const recommended = await readRecommended(run);
  const others = await differences(run, settings);
  if (others.length > 0) {
    note(`--lr from:${run}: that range test was made with ${others.join(', ')}; its rate may not fit here.`);
  }
  return rateFor(settings.policy, recommended);
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

function rateFor(policy: Settings['policy'], { learningRate, fixedLearningRate }: Recommended): number {
  return policy === '1cycle' ? learningRate : fixedLearningRate;
}

async function readRecommended(run: string): Promise<Recommended> {
  const path = join(run, SWEEP_FILES.suggestion);
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UsageError(
      `--lr from:${run}: there is no ${path}. Expected the folder of a finished find-lr run.`,
    );
  });
  const { recommended, reason } = parseSuggestion(text, run, path);
  if (recommended === null) {
    throw new UsageError(`--lr from:${run}: that range test gave no rate. ${String(reason ?? '')}`.trimEnd());
  }
  const [learningRate, fixedLearningRate] = isJsonObject(recommended)
    ? [recommended['learningRate'], recommended['fixedLearningRate']]
    : [];
  if (!isRate(learningRate) || !isRate(fixedLearningRate)) {
    throw new UsageError(`--lr from:${run}: ${path} holds no recommended rates. Run onecycle find-lr again.`);
  }
  return { learningRate, fixedLearningRate };
}

function parseSuggestion(text: string, run: string, path: string): JsonObject {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    found = undefined;
  }
  if (isJsonObject(found)) return found;
  throw new UsageError(`--lr from:${run}: ${path} is damaged. Run onecycle find-lr again.`);
}

/** What differs between the settings of an earlier range test and these, as in «trainable head». */
async function differences(run: string, settings: Settings): Promise<string[]> {
  const config = await readDocument(join(run, RUN_FILES.config));
  return BEARING.filter((name) => config[name] !== settings[name]).map(
    (name) => `${flagName(name)} ${String(config[name])}`,
  );
}

function isRate(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}
