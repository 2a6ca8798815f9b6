import { availableParallelism } from 'node:os';
import { type Arm, readArms, requireKnownArms } from '../config/arms.js';
import { planSchedule } from '../config/plan-schedule.js';
import { requireSeeds, type RunConfig } from '../config/run-config.js';
import { readDefaults, type Settings } from '../config/settings.js';
import { UsageError } from '../errors.js';
import type { TrainRequest } from '../train/run.js';
import { ignoresEarlyStop, refuseImpossible, resolveConfig } from '../train/train.js';
import { eachTextOnce } from '../workbench/events.js';
import {
  decoded,
  requireBatch,
  stepsPerEpoch,
  type Survey,
  surveyWorkbench,
  wholeBench,
  type Workbench,
} from '../workbench/workbench.js';

/** A run of a comparison that is about to be trained. */
export interface PlannedRun {
  readonly bench: Workbench;
  /** Its pair is the seed less the arm's shift: equal for the runs that are compared with each other. */
  readonly config: RunConfig & { readonly pair: number };
  /** What the user's options come to for this run, its own seed included. */
  readonly settings: Settings;
}

/** The runs of a comparison, and the names of its arms in order. */
export interface Grid {
  readonly arms: readonly string[];
  /** Seed by seed, so that paired runs are trained side by side. */
  readonly runs: readonly PlannedRun[];
  /** Frees what the runs share. */
  close(): void;
}

/** One arm with the settings that it changes. */
interface PlannedArm {
  readonly arm: Arm;
  readonly settings: Settings;
}

/**
 * Plans every run of a comparison: reads the arms, data and weights, and finds the rates.
 *
 * Everything that can be refused is refused before the first image is decoded. Throws UsageError, naming the arm where
 * one alone is meant.
 */
export async function planGrid(request: TrainRequest): Promise<Grid> {
  const arms = await readPlannedArms(request);
  const names = arms.map(({ arm }) => arm.name);
  // A sentence may concern several arms.
  const once = { ...request, emit: eachTextOnce(request.emit) };
  const benches = new BenchCache(once);
  try {
    for (const { arm, settings } of arms) {
      const survey = await benches.survey(settings);
      ofArm(arm, () => refuseImpossible(survey, settings, arm.name));
    }
    noteUnequalStopping(arms, request);
    const resolved: { arm: Arm; settings: Settings; bench: Workbench; config: RunConfig }[] = [];
    for (const { arm, settings } of arms) {
      const bench = await benches.open(settings);
      const { root } = (await benches.survey(settings)).folder;
      // Again: some of the listed images may have turned out to be unusable.
      ofArm(arm, () => requireBatch(settings, bench.images.train.length, root));
      // compare's seeds are repetitions of the training; a range test has its own number of them.
      const ranging = { ...settings, seeds: readDefaults().settings.seeds };
      const workers = settings.workers ?? availableParallelism();
      const config = await resolveConfig(
        wholeBench(bench),
        { ...once, settings: ranging },
        arm.name,
        workers,
      );
      ofArm(arm, () => planSchedule(config, stepsPerEpoch(bench, config)));
      resolved.push({ arm, settings, bench, config });
    }
    const runs = Array.from({ length: request.settings.seeds }, (_, i) =>
      resolved.map(({ arm, settings, bench, config }): PlannedRun => {
        const pair = config.seed + i;
        const seed = pair + arm.seedShift;
        return { bench, config: { ...config, seed, pair }, settings: { ...settings, seed, pair } };
      }),
    ).flat();
    return { arms: names, runs, close: () => benches.close() };
  } catch (error) {
    benches.close();
    throw error;
  }
}

/** The arms of --policies with what each makes of the common settings. */
async function readPlannedArms({ settings }: TrainRequest): Promise<PlannedArm[]> {
  const arms = await readArms(settings.policies, settings.momentum);
  const names = arms.map(({ name }) => name);
  return arms.map((arm) => {
    const own: Settings = { ...settings, ...arm.overrides };
    requireKnownArms(own.lr, names);
    requireSeeds(own, arm.seedShift);
    return { arm, settings: own };
  });
}

/** Says which arm a refusal is about. */
function ofArm(arm: Arm, check: () => unknown): void {
  try {
    check();
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`Arm ${arm.name}: ${error.message}`) : error;
  }
}

/** Says, before anything is trained, that early stopping can shorten some arms and never the others. */
function noteUnequalStopping(arms: readonly PlannedArm[], { emit }: TrainRequest): void {
  const asked = arms.filter(({ settings }) => settings.earlyStop !== undefined);
  const never = asked.filter(({ settings }) => ignoresEarlyStop(settings));
  if (never.length === 0) return;
  const names = (list: readonly PlannedArm[]) => list.map(({ arm }) => arm.name).join(', ');
  const others = asked.filter((planned) => !never.includes(planned));
  const effect = others.length === 0 ? 'it has no effect here' : `it can shorten ${names(others)} alone`;
  emit({
    type: 'note',
    text: `--early-stop never shortens ${names(never)}, whose --on-stop is wait: ${effect}. With --on-stop anneal it ends a cycle too.`,
  });
}

/** Arms that agree in data, weights and frozen part share one workbench. */
class BenchCache {
  private readonly surveys = new Map<string, Survey>();
  private readonly benches = new Map<string, Workbench>();

  constructor(private readonly request: TrainRequest) {}

  async survey(settings: Settings): Promise<Survey> {
    const key = keyOf(settings);
    const survey = this.surveys.get(key) ?? (await surveyWorkbench(settings, this.request));
    this.surveys.set(key, survey);
    return survey;
  }

  async open(settings: Settings): Promise<Workbench> {
    const key = keyOf(settings);
    const bench = this.benches.get(key) ?? (await decoded(await this.survey(settings), this.request));
    this.benches.set(key, bench);
    return bench;
  }

  close(): void {
    for (const bench of this.benches.values()) bench.close();
  }
}

function keyOf(settings: Settings): string {
  const { data, valSplit, splitSeed, followLinks, weights, imageSize, trainable, augment, views } = settings;
  return JSON.stringify([
    ...[data, valSplit, splitSeed, followLinks],
    ...[weights, imageSize, trainable, augment, views],
  ]);
}
