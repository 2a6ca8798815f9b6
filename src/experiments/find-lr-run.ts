import { availableParallelism } from 'node:os';
import type { Settings } from '../config/default-settings.js';
import type { RateSuggestions } from '../report/range-view.js';
import type { SuggestionSpreads } from '../stats/suggestions-over-seeds.js';
import type { Environment } from './environment.js';
import type { Emit } from './events.js';
import { findLearningRate } from './find-lr.js';
import { openWorkbench } from './workbench.js';

/** What an experiment runs in. */
export interface ExperimentContext {
  readonly environment: Environment;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

export async function runFinder(settings: Settings, context: ExperimentContext) {
  const started = performance.now();
  const bench = await openWorkbench(settings, context);
  try {
    const workers = settings.workers ?? availableParallelism();
    const found = await findLearningRate(bench, settings, { ...context, workers });
    return {
      schemaVersion: 1,
      command: 'find-lr',
      status: context.signal.aborted ? 'interrupted' : 'completed',
      config: settings,
      environment: context.environment,
      seconds: (performance.now() - started) / 1000,
      ...found,
      suggestions: answered(found.suggestions),
    };
  } finally {
    bench.close();
  }
}
function answered(s: SuggestionSpreads): RateSuggestions {
  return s as unknown as RateSuggestions;
}
