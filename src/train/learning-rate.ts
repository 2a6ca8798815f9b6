import { join, resolve } from 'node:path';
import { flagName } from '../config/options.js';
import { type RunConfig, trainedPart } from '../config/run-config.js';
import { type RateTable, readDefaults, type Settings } from '../config/settings.js';
import { dataFolder } from '../data/folder/scan.js';
import { RunError, UsageError } from '../errors.js';
import { resolveWeights } from '../model/load/weights.js';
import { RUN_FILES } from '../runs/documents.js';
import { readSuggestion } from '../runs/range-test-folder.js';
import { readDocument } from '../runs/read-document.js';
import type { Advice } from '../find-lr/find-lr.js';
import { THUMBNAIL_INPUT } from '../workbench/workbench.js';

type Recommended = NonNullable<Advice['recommended']>;

/** A run's rate, and the folder of the range test that it was taken from. */
export type ResolvedRate = Pick<RunConfig, 'lr' | 'lrFrom'>;

/** Where a rate comes from that the settings do not state. */
export interface RateSources {
  /** Pixels a side of the network's input. */
  readonly imageSize: number;
  /** Finds or makes the range test of the arm's settings. */
  readonly find: () => Promise<Advice>;
  readonly note: (text: string) => void;
}

/** Settings on which the best rate depends. */
const BEARING = ['data', 'weights', 'trainable', 'headLrMultiplier', 'batchSize', 'epochs'] as const;

/**
 * The learning rate of one arm: as stated, the built-in one of the trained part, as a range test finds it (`auto`), or
 * as an earlier one found it (`from:RUN`).
 *
 * @throws UsageError where the earlier test has no rate to give, RunError where the range test refuses now
 */
export async function resolveRate(
  settings: Settings,
  rates: RateTable,
  arm: string,
  { imageSize, find, note }: RateSources,
): Promise<ResolvedRate> {
  const stated = statedRate(settings, arm);
  if (typeof stated === 'number') return { lr: stated };
  if (stated === undefined) {
    const others = await othersThanMeasured(settings, imageSize);
    if (others.length > 0) note(builtInNote(others));
    return { lr: builtInRate(settings, rates) };
  }
  if (stated === 'auto') {
    const { recommended, reason, run } = await find();
    if (recommended === null) throw new RunError(`--lr auto: the range test gives no rate. ${reason}`);
    return { lr: rateFor(settings.policy, recommended), lrFrom: run };
  }
  const run = stated.slice('from:'.length);
  const recommended = await readRecommended(run);
  const others = await differences(run, settings);
  if (others.length > 0) {
    note(`--lr from:${run}: that range test was made with ${others.join(', ')}; its rate may not fit here.`);
  }
  return { lr: rateFor(settings.policy, recommended), lrFrom: run };
}

function statedRate({ lr, policy }: Settings, arm: string): number | string | undefined {
  if (lr === undefined || typeof lr === 'number' || typeof lr === 'string') return lr;
  return lr[arm] ?? lr[policy];
}

function builtInRate({ trainable, policy }: Settings, rates: RateTable): number {
  const rate = rates[trainedPart(trainable)][policy];
  if (rate === undefined)
    throw new Error(`configs/default.json holds no rate for ${policy} and ${trainable}`);
  return rate;
}

/** What differs from the training that the built-in rates were measured on, as in «--image-size 224». */
async function othersThanMeasured(settings: Settings, imageSize: number): Promise<string[]> {
  const { settings: measured } = readDefaults();
  const data = async (name: string) => resolve(await dataFolder(name));
  return [
    (await data(settings.data)) !== (await data(measured.data)) && `--data ${settings.data}`,
    settings.weights !== measured.weights &&
      resolveWeights(settings.weights) !== resolveWeights(measured.weights) &&
      `--weights ${settings.weights}`,
    imageSize !== THUMBNAIL_INPUT && `--image-size ${imageSize}`,
    settings.batchSize !== measured.batchSize && `--batch-size ${settings.batchSize}`,
  ].filter((other) => other !== false);
}

function builtInNote(others: readonly string[]): string {
  const { weights, batchSize } = readDefaults().settings;
  return (
    `The built-in learning rates were measured on the bundled thumbnails with ${weights} at ${THUMBNAIL_INPUT} pixels and batches of ${batchSize}, ` +
    `not with ${others.join(', ')}: --lr auto measures one that fits.`
  );
}

function rateFor(policy: Settings['policy'], { learningRate, fixedLearningRate }: Recommended): number {
  return policy === '1cycle' ? learningRate : fixedLearningRate;
}

async function readRecommended(run: string): Promise<Recommended> {
  const asked = `--lr from:${run}`;
  const { recommended, reason } = await readSuggestion(run).catch((error: unknown) => {
    throw error instanceof UsageError ? new UsageError(`${asked}: ${error.message}`) : error;
  });
  if (recommended === null) {
    throw new UsageError(`${asked}: that range test gave no rate. ${reason}`.trimEnd());
  }
  return recommended;
}

/** What differs between the settings of an earlier range test and these, as in «trainable head». */
async function differences(run: string, settings: Settings): Promise<string[]> {
  const config = await readDocument(join(run, RUN_FILES.config));
  return BEARING.filter((name) => config[name] !== settings[name]).map(
    (name) => `${flagName(name)} ${String(config[name])}`,
  );
}
