import { availableParallelism } from 'node:os';
import { type Arm, readArms, requireKnownArms } from '../config/arms.js';
import { planSchedule } from '../config/plan-schedule.js';
import { requireSeeds, type RunConfig } from '../config/run-config.js';
import { readDefaults, type Settings, withGiven } from '../config/settings.js';
import { UsageError } from '../errors.js';
import type { TrainRequest } from '../train/run.js';
import { ignoresEarlyStop, type Measure, refuseImpossible, resolveConfig } from '../train/train.js';
import { eachTextOnce } from '../workbench/events.js';
import { stepsPerEpoch, wholeBench, type Workbench } from '../workbench/bench.js';
import { decoded, requireBatch, type Survey, surveyWorkbench } from '../workbench/workbench.js';

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
 * @param measure whether a range test finds rates where the built-in ones were measured on other data
 */
export async function planGrid(request: TrainRequest, measure: Measure = 'now'): Promise<Grid> {
  const { seeds, rates } = request.settings;
  if (rates !== undefined && seeds < 2) {
    throw new UsageError(
      'Expected at least 2 seeds with --rates: each is compared at the rates that the others choose. Raise --seeds.',
    );
  }
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
      const survey = await benches.survey(settings);
      // Again: some of the listed images may have turned out to be unusable.
      ofArm(arm, () => requireBatch(settings, bench.images.train.length, survey));
      // compare's seeds are repetitions of the training; a range test has its own number of them.
      const ranging = { ...settings, seeds: readDefaults().settings.seeds };
      const workers = settings.workers ?? availableParallelism();
      const own = { ...once, settings: ranging };
      const config = await resolveConfig(wholeBench(bench), own, arm.name, { workers, measure });
      ofArm(arm, () => planSchedule(config, stepsPerEpoch(bench, config)));
      resolved.push({ arm, settings, bench, config });
    }
    const runs = Array.from({ length: request.settings.seeds }, (_, i) =>
      resolved.flatMap(({ arm, settings, bench, config }) => {
        const pair = config.seed + i;
        const seed = pair + arm.seedShift;
        return rateFactors(request.settings.rates).map((lrFactor): PlannedRun => {
          const neighbour = lrFactor === 1 ? {} : { lrFactor };
          return {
            bench,
            config: { ...config, seed, pair, lr: config.lr * lrFactor, ...neighbour },
            settings: { ...settings, seed, pair, ...neighbour },
          };
        });
      }),
    ).flat();
    if (rates !== undefined) {
      const text = `--rates ${rates}: each arm at ${rates + 1} rates, ${runs.length} runs instead of ${runs.length / (rates + 1)}; frozen features are shared.`;
      request.emit({ type: 'note', text });
    }
    return { arms: names, runs, close: () => benches.close() };
  } catch (error) {
    benches.close();
    throw error;
  }
}

/** What an arm's rate is multiplied by: 1, and of `neighbours` half, double, a quarter, four times and so on. */
function rateFactors(neighbours = 0): number[] {
  const powers = Array.from(
    { length: neighbours },
    (_, i) => (i % 2 === 0 ? -1 : 1) * (Math.floor(i / 2) + 1),
  );
  return [1, ...powers.map((power) => 2 ** power)];
}

/** The arms of --policies with what each makes of the common settings. */
async function readPlannedArms({ settings }: TrainRequest): Promise<PlannedArm[]> {
  const arms = await readArms(settings.policies, settings.momentum);
  const names = arms.map(({ name }) => name);
  return arms.map((arm) => {
    const own = withGiven(settings, arm.overrides);
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
    type: 'warning',
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
  const { labels, classDepth, alpha, stemStride, batchNorm, bnMomentum } = settings;
  return JSON.stringify([
    ...[data, labels, classDepth, valSplit, splitSeed, followLinks],
    ...[weights, imageSize, trainable, augment, views],
    ...[alpha, stemStride, batchNorm, bnMomentum],
  ]);
}
