import type { Settings } from '../config/default-settings.js';
import { effectiveViews } from '../config/run-config.js';
import type { RangeCurve } from '../stats/range-curve.js';
import { recommend, type Recommendation } from '../stats/recommendation.js';
import { suggestOverSeeds, type SuggestionSpreads } from '../stats/suggestions-over-seeds.js';
import { rangeTest, type SweepConfig, type SweepContext } from './range-test.js';
import type { Workbench } from './workbench.js';

/** What several sweeps together say. */
export interface FoundRate extends Recommendation {
  readonly curves: readonly RangeCurve[];
  readonly suggestions: SuggestionSpreads;
}

const STEPS_OF_ONE_SEED = 100;
const STEPS_OF_SEVERAL = 60;

/** Mini-batches of each seed's sweep. */
export function sweepSteps({ steps, seeds }: Pick<Settings, 'steps' | 'seeds'>): number {
  return steps ?? (seeds === 1 ? STEPS_OF_ONE_SEED : STEPS_OF_SEVERAL);
}

/** Range tests over `--seeds` seeds from `--seed` on, and what to make of them. Ends early when aborted. */
export async function findLearningRate(
  bench: Workbench,
  settings: Settings,
  context: SweepContext,
): Promise<FoundRate> {
  const steps = sweepSteps(settings);
  const curves: RangeCurve[] = [];
  for (let i = 0; i < settings.seeds && !context.signal.aborted; i++) {
    const config: SweepConfig = {
      ...settings,
      steps,
      seed: settings.seed + i,
      // Gradients accumulated over N batches are those of one batch N times as large.
      batchSize: settings.batchSize * settings.accumulate,
      views: bench.features === undefined ? null : effectiveViews(settings),
    };
    curves.push(await rangeTest(bench, config, context));
  }
  const [start, end] = settings.trim;
  const suggestions = suggestOverSeeds(curves, { plannedSteps: steps, trim: { start, end } });
  return { curves, suggestions, ...recommend(curves, { classes: bench.images.classNames.length }) };
}
