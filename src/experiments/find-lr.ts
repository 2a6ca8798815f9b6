import type { ImageSet } from '../data/image-set.js';
import type { Settings } from '../config/default-settings.js';
import { resolveFinder, type FinderConfig } from '../config/finder-config.js';
import type { RangeCurve } from '../stats/range-curve.js';
import { recommend, type Recommendation } from '../stats/recommendation.js';
import { suggestOverSeeds, type SuggestionSpreads } from '../stats/suggestions-over-seeds.js';
import { rangeTest, type SweepContext } from './range-test.js';
import type { Workbench } from './workbench.js';

/** What several sweeps together say. */
export interface FoundRate extends Recommendation {
  /** Of each seed that was begun; the last one is cut short where the test was interrupted. */
  readonly curves: readonly RangeCurve[];
  readonly suggestions: SuggestionSpreads;
}

/**
 * Range tests over the configuration's seeds, and what to make of them. Ends early when aborted, and then
 * recommends nothing: half a sweep says nothing about what the network bears.
 */
export async function findLearningRate(
  bench: Workbench<ImageSet>,
  config: FinderConfig,
  context: SweepContext,
): Promise<FoundRate> {
  const curves: RangeCurve[] = [];
  for (let i = 0; i < config.seeds && !context.signal.aborted; i++) {
    const curve = await rangeTest(bench, { ...config, seed: config.seed + i }, context);
    if (curve.points.length > 0) curves.push(curve);
  }
  const [start, end] = config.trim;
  const suggestions = suggestOverSeeds(curves, { plannedSteps: config.steps, trim: { start, end } });
  const { trainingSteps } = config;
  const judged = recommend(curves, { classes: bench.images.classNames.length, trainingSteps });
  return {
    curves,
    suggestions,
    ...judged,
    ...(context.signal.aborted ? interrupted(curves, config) : {}),
  };
}

/**
 * The recommendation for a run that is about to start on this bench. Throws the signal's reason where it is
 * interrupted, and UsageError as `resolveFinder` does.
 */
export async function adviseRate(
  bench: Workbench<ImageSet>,
  settings: Settings,
  context: SweepContext,
): Promise<Recommendation> {
  const found = await findLearningRate(bench, finderConfig(bench, settings), context);
  context.signal.throwIfAborted();
  return found;
}

/** The range tests that the settings ask for on this bench. Throws UsageError as `resolveFinder` does. */
export function finderConfig(
  { imageSize, features, images }: Workbench<ImageSet>,
  settings: Settings,
): FinderConfig {
  const known = { imageSize, frozen: features !== undefined, trainImages: images.train.length };
  return resolveFinder(settings, known);
}

function interrupted(
  curves: readonly RangeCurve[],
  { seeds, steps }: FinderConfig,
): Pick<Recommendation, 'recommended' | 'reason'> {
  const done = curves.reduce((sum, { points }) => sum + points.length, 0);
  const reason = `The test was interrupted after ${done} of ${seeds * steps} steps: what it shows is too little to recommend a rate. Run it again.`;
  return { recommended: null, reason };
}
