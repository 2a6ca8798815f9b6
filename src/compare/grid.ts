import { availableParallelism } from 'node:os';
import type { Arm } from '../config/arms.js';
import { planSchedule } from '../config/plan-schedule.js';
import type { RunConfig } from '../config/run-config.js';
import type { Settings } from '../config/settings.js';
import { UsageError } from '../errors.js';
import { resolveConfig, type TrainRequest } from '../train/train.js';
import { openWorkbench, stepsPerEpoch, type Workbench } from '../workbench/workbench.js';

/** A run of a comparison that is about to be trained. */
export interface PlannedRun {
  readonly bench: Workbench;
  readonly config: RunConfig;
  /** What the user's options come to for this run, its own seed included. */
  readonly settings: Settings;
  /** The seed less the arm's shift: equal for runs that are compared with each other. */
  readonly pair: number;
}

/** Every run of the comparison, seed by seed, so that paired runs are trained side by side. */
export async function planRuns(
  request: TrainRequest,
  arms: readonly Arm[],
  benches: BenchCache,
): Promise<PlannedRun[]> {
  const { settings } = request;
  const resolved: { arm: Arm; bench: Workbench; config: RunConfig; settings: Settings }[] = [];
  for (const arm of arms) {
    const armSettings: Settings = { ...settings, ...arm.overrides };
    const bench = await benches.open(armSettings);
    const workers = settings.workers ?? availableParallelism();
    const config = await resolveConfig(bench, { ...request, settings: armSettings }, arm.name, workers);
    // Refuses here, before anything is trained, a schedule that this many steps cannot follow.
    try {
      planSchedule(config, stepsPerEpoch(bench, config));
    } catch (error) {
      throw error instanceof UsageError ? new UsageError(`Arm ${arm.name}: ${error.message}`) : error;
    }
    resolved.push({ arm, bench, config, settings: armSettings });
  }
  return Array.from({ length: settings.seeds }, (_, i) =>
    resolved.map(({ arm, bench, config, settings: armSettings }) => {
      const pair = config.seed + i;
      const seed = pair + arm.seedShift;
      return { bench, pair, config: { ...config, seed }, settings: { ...armSettings, seed } };
    }),
  ).flat();
}

/** Arms that agree in data, weights and frozen part share one workbench. */
export class BenchCache {
  private readonly benches = new Map<string, Workbench>();

  constructor(private readonly request: TrainRequest) {}

  async open(settings: Settings): Promise<Workbench> {
    const { data, valSplit, splitSeed, weights, imageSize, trainable, augment, views, followLinks } =
      settings;
    const key = JSON.stringify([
      data,
      valSplit,
      splitSeed,
      weights,
      imageSize,
      trainable,
      augment,
      views,
      followLinks,
    ]);
    const known = this.benches.get(key);
    if (known !== undefined) return known;
    const bench = await openWorkbench(settings, this.request);
    this.benches.set(key, bench);
    return bench;
  }

  close(): void {
    for (const bench of this.benches.values()) bench.close();
  }
}
