import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { checkSettings, type GivenSettings } from '../config/check-settings.js';
import { flagName, OPTIONS } from '../config/options.js';
import { planSchedule } from '../config/plan-schedule.js';
import {
  effectiveViews,
  RATE_SOURCES,
  type Replan,
  resolveRun,
  type RunConfig,
} from '../config/run-config.js';
import { readDefaults, type Settings } from '../config/settings.js';
import type { ImageSet } from '../data/images/batches.js';
import { UsageError } from '../errors.js';
import { counted } from '../printable.js';
import { againstCheckpoint, checkpointRecord } from '../runs/check-run.js';
import { checkpointPath, type FoundCheckpoint, readCheckpoint } from '../runs/checkpoint.js';
import {
  RUN_FILES,
  type RunRecord,
  type TrainDocument,
  type TrainDryRun,
  type TrainPlan,
  WITHOUT_RECORD,
} from '../runs/documents.js';
import { continuedEnvironment, environmentsOf } from '../runs/environments.js';
import { asJson, isCount, isJsonObject, type JsonObject, type JsonValue, sameJson } from '../runs/json.js';
import { contradicting, readRun } from '../runs/read-run.js';
import { type HeldRun, holdRun, readResumePoint } from '../runs/run-folder.js';
import type { StoppableSchedule } from '../schedule/early-stop.js';
import { DeferredFolder } from '../workbench/deferred-folder.js';
import {
  datasetDocument,
  type OpenBench,
  stepsPerEpoch,
  wholeBench,
  type Workbench,
} from '../workbench/bench.js';
import { beginWorkbench, surveyWorkbench, whileDecoding } from '../workbench/workbench.js';
import { type RunCheckpoint, type RunState, unpackCheckpoint } from './run-state.js';
import { planFrom, withCost } from './plan.js';
import { carryOut, type RunContext, tellWork, type TrainRequest } from './run.js';

/** A recorded run and where it stands. */
export interface ResumableRun {
  readonly record: RunRecord;
  readonly config: RunConfig;
  readonly checkpoint: RunCheckpoint;
  /** The backend that it was last trained on, where that is known. */
  readonly backend: string | undefined;
  /** As the user gave them: they say where data and weights lie now. */
  readonly given: GivenSettings;
  /** The lock; null where nothing is to be trained. */
  readonly held: HeldRun | null;
}

/** What a resume tells before it goes on. */
interface ResumeRequest extends TrainRequest {
  /** Called with the new plan of a run that is extended. */
  readonly showPlan: (plan: TrainPlan) => void;
}

/**
 * Locks and reads the run that `--resume` names; with `--dry-run` it is read alone. Throws UsageError where it is none, is in
 * use, contradicts what was given, has ended, or failed. The caller releases `held`.
 */
export async function openResumable(dir: string, given: GivenSettings): Promise<ResumableRun> {
  const held = given.dryRun === true ? null : await holdRun(dir);
  try {
    const record = await readRun(dir);
    const config = recordedRunConfig(record.config, join(dir, RUN_FILES.config));
    refuseContradictions(dir, config, given);
    refuseEnded(record, config, given);
    const checkpoint = checkpointOf(record, held?.checkpoint ?? (await readResumePoint(dir)));
    const backend = environmentsOf(record).at(-1)?.['backend'];
    return {
      record,
      config,
      checkpoint,
      backend: typeof backend === 'string' ? backend : undefined,
      given,
      held,
    };
  } catch (error) {
    await held?.release();
    throw error;
  }
}

/** `onecycle train --resume RUN`: goes on from the newest checkpoint as if the run had never been interrupted. */
export async function resumeTraining(run: ResumableRun, request: ResumeRequest): Promise<TrainDocument> {
  return withPlan(run, request, async (open, plan, signal) => {
    const { settings, showPlan } = request;
    if (settings.extendTo !== undefined) showPlan(plan);
    const workers = settings.workers ?? availableParallelism();
    tellWork([{ bench: open.bench, config: plan.config }], request.emit);
    const { out, tensorboard } = settings;
    return goOn({ ...run, config: plan.config }, open, { ...request, signal, out, tensorboard, workers });
  });
}

/** What `--resume RUN --dry-run` shows: the steps that are left; nothing is changed. */
export async function planResume(run: ResumableRun, request: TrainRequest): Promise<TrainDryRun> {
  return withPlan(run, request, async ({ whole }, plan) => withCost(plan, await whole, request));
}

/** Goes on with a run of a comparison, on the workbench that its other runs share. */
export async function resumeShared(
  dir: string,
  bench: Workbench,
  context: RunContext,
): Promise<TrainDocument> {
  const held = await holdRun(dir);
  try {
    const record = await readRun(dir);
    const config = recordedRunConfig(record.config, join(dir, RUN_FILES.config));
    refuseChangedData(dir, record.dataset, bench, config.weights);
    const checkpoint = checkpointOf(record, held.checkpoint);
    return await goOn({ record, config, checkpoint, held }, wholeBench(bench), context);
  } finally {
    await held.release();
  }
}

/**
 * Unpacks a checkpoint of a run. Throws UsageError where configuration, environment, images or epochs have changed since it was
 * written: the run would go on as another one.
 * @param kept epochs that the run goes on after; later ones will be recorded anew, with other times
 */
function checkpointOf(record: RunRecord, found: FoundCheckpoint, kept = Infinity): RunCheckpoint {
  const { generation } = found;
  const checkpoint = unpackCheckpoint(found);
  const { step, epochs, replans } = checkpoint.state;
  const told = againstCheckpoint(record, found.header, replans);
  // Earlier versions wrote that of the best epoch first: it is ahead in a run that was killed in between.
  const common = Math.min(epochs.length, kept);
  const [lines, known] = [record.epochs, epochs].map((list) => list.slice(0, common));
  if (generation !== 'best' && record.steps.length < step) {
    told.push(`steps.jsonl holds ${counted(record.steps.length, 'step')}, the checkpoint ${step}`);
  }
  if (!sameJson(asJson({ lines }), asJson({ lines: known }))) {
    told.push(`epochs.jsonl holds other epochs than checkpoints/${generation}.ckpt`);
  }
  if (told.length > 0) throw contradicting(record.dir, told);
  return checkpoint;
}

/**
 * Opens the run's data, and plans what is left. Where the images that are listed are those of the run the work begins while they are
 * being decoded, the next ones first; their hashes are checked before anything is recorded.
 */
async function withPlan<Result>(
  { record, config, checkpoint: { state }, given }: ResumableRun,
  request: TrainRequest,
  work: (open: OpenBench, plan: TrainPlan, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { dir } = record;
  const settings = settingsOf(config, request.settings, given);
  const { extendTo } = request.settings;
  const planned = extendTo === undefined ? config : extendedConfig(config, extendTo, state.step);
  const survey = await surveyWorkbench(settings, request);
  const coming = beginWorkbench(survey, request, state);
  const attempt = async ({ bench, whole }: OpenBench, signal: AbortSignal) => {
    const checked = whole.then((all) => {
      refuseChangedData(dir, record.dataset, all, settings.weights);
      return all;
    });
    checked.catch(() => undefined);
    const open = listsTheSame(record.dataset, bench) ? { bench, whole: checked } : wholeBench(await checked);
    return work(open, remaining(dir, open.bench, planned, state), signal);
  };
  if (listsTheSame(record.dataset, coming.early.bench)) return whileDecoding(coming, request, attempt);
  // Some may be files that could not be used then, either.
  try {
    return await attempt(wholeBench(await coming.settled), request.signal);
  } finally {
    coming.close();
  }
}

/** Whether the images that are listed now are those of the recorded run, in its order; their bytes are not looked at. */
function listsTheSame({ files }: JsonObject, { images }: Workbench<ImageSet>): boolean {
  const now = (['train', 'valid'] as const).map((part) =>
    images[part].map(({ path, label }) => [path, label]),
  );
  const then = isJsonObject(files) ? [files['train'], files['valid']] : [];
  return now.every((list, i) => {
    const recorded = then[i];
    return (
      Array.isArray(recorded) &&
      recorded.length === list.length &&
      list.every(([path, label], k) => {
        const file: JsonValue = recorded[k] ?? null;
        return isJsonObject(file) && file['path'] === path && file['label'] === label;
      })
    );
  });
}

function remaining(dir: string, bench: Workbench<ImageSet>, config: RunConfig, state: RunState): TrainPlan {
  const epochSteps = stepsPerEpoch(bench, config);
  const schedule = planSchedule(config, epochSteps);
  const { scheduleState } = applyReplans(dir, state, config, schedule);
  return planFrom(config, schedule, epochSteps, { trained: state.step, state: scheduleState });
}

/** Trains a run that was locked, read and checked from its checkpoint to its end. */
async function goOn(
  { record, config, checkpoint, held }: Pick<ResumableRun, 'record' | 'config' | 'checkpoint' | 'held'>,
  open: OpenBench,
  context: RunContext,
): Promise<TrainDocument> {
  if (held === null) throw new Error('a run is not trained without its lock');
  const { dir } = record;
  const { emit } = context;
  return carryOut(open, config, context, async ({ engine, here, schedule }) => {
    await engine.restore(checkpoint.replica);
    const { state: saved } = checkpoint;
    // The program may have ended before it could save this one as the best, too.
    const isBest = endsWithBest(saved, stepsPerEpoch(open.bench, config));
    const best =
      saved.best === null || isBest
        ? saved.best && checkpoint
        : checkpointOf(record, await readBest(dir), saved.epochs.length);
    const { environment, event } = continuedEnvironment(record, here, saved);
    const moved = event === null ? saved : { ...saved, events: [...saved.events, event] };
    const state = applyReplans(dir, moved, config, schedule);
    const folder = new DeferredFolder(open.whole, async () => {
      const opened = await held.open();
      try {
        for (const text of held.notes) emit({ type: 'warning', text });
        if (event !== null) emit({ type: 'warning', text: `Warning: ${event.text}` });
        // Before any step is recorded: whatever happens from here on, the record says where it was computed.
        if (environment.history !== undefined) await opened.replace('environment', environment);
        if (state.replans > saved.replans) await opened.replace('config', config);
        if (isBest) {
          const { generation } = held.checkpoint;
          await opened.writeBest(await readFile(checkpointPath(dir, generation)));
        }
        // Also where nothing is new: the program may have ended between an event and its checkpoint.
        await opened.writeEvents(state.events);
      } catch (error) {
        await opened.close();
        throw error;
      }
      return opened;
    });
    return {
      folder,
      environment,
      from: { ...checkpoint, state },
      best,
      unsaved: state !== saved,
      record: Promise.resolve(
        checkpointRecord({
          config: asJson(config),
          environment: asJson(environment),
          dataset: record.dataset,
        }),
      ),
    };
  });
}

/** Throws UsageError, with what to do, where the weights of the best epoch so far are lost. */
function readBest(dir: string): Promise<FoundCheckpoint> {
  return readCheckpoint(dir, 'best').catch((error: unknown) => {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(
      `${error.message} It holds the weights of the best epoch so far. Put the original back, or train the run anew with --again.`,
      { cause: error },
    );
  });
}

/** Whether a run stands at the end of its best epoch. */
function endsWithBest({ best, epochs, step }: RunState, epochSteps: number): boolean {
  return best?.epoch === epochs.length && step === epochs.length * epochSteps;
}

/**
 * The configuration of a run that is to go on for `epochs` in all: from `step` on it has the rates that a run of so
 * many epochs has there. Throws UsageError where that are no more epochs than planned.
 */
export function extendedConfig(config: RunConfig, epochs: number, step: number): RunConfig {
  if (epochs <= config.epochs) {
    throw new UsageError(
      `Expected more than the ${counted(config.epochs, 'epoch')} that the run is planned for in --extend-to but received ${epochs}.`,
    );
  }
  const replan: Replan = { step, fromEpochs: config.epochs, toEpochs: epochs };
  return Object.freeze({ ...config, epochs, replans: [...(config.replans ?? []), replan] });
}

/**
 * Makes those of the configuration's replans that the state does not know yet. Throws UsageError where the run has
 * gone on since its extension was planned.
 */
function applyReplans(
  dir: string,
  state: RunState,
  config: RunConfig,
  schedule: StoppableSchedule,
): RunState {
  return (config.replans ?? []).slice(state.replans).reduce((before, { step, fromEpochs, toEpochs }) => {
    if (step !== before.step) {
      throw new UsageError(
        `${dir} was to be extended from step ${step} on but stands at step ${before.step}: its files are not of one run. Put the originals back.`,
      );
    }
    const text = `Extended from ${fromEpochs} to ${toEpochs} epochs: from step ${step} on the rates are those of a run of ${toEpochs} epochs.`;
    return {
      ...before,
      scheduleState: schedule.reopen(before.scheduleState),
      events: [...before.events, { type: 'extended' as const, step, epoch: before.epochs.length, text }],
      replans: before.replans + 1,
    };
  }, state);
}

/** Where these lie may change between two parts of a run; their hashes may not. */
const MOVABLE = new Set(['data', 'labels', 'weights']);

/**
 * The configuration that a run's config.json holds.
 * @param path of config.json, for messages
 * @throws UsageError where it is not that of a training run, lacks something, or holds what no option may be
 */
export function recordedRunConfig(document: JsonObject, path: string): RunConfig {
  const { arm, replans, lrFrom, lrSource: origin, ...options } = document;
  if (typeof arm !== 'string' || typeof options['policy'] !== 'string') {
    throw new UsageError(`${path} names no policy and arm: expected the folder of a run of onecycle train.`);
  }
  // null stands for an option that was not given.
  const given = checkSettings(
    Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null)),
    path,
  );
  const {
    imageSize,
    lr,
    lrFactor,
    batchNorm = 'fold',
    bnMomentum = null,
    stemStride = 2,
    alpha = null,
  } = given;
  if (imageSize === undefined || typeof lr !== 'number') {
    throw new UsageError(`Expected numbers for "imageSize" and "lr" in ${path}. Is it that of a run?`);
  }
  const lrSource = RATE_SOURCES.find((source) => source === origin);
  const known = {
    ...{ imageSize, lr, arm },
    network: { batchNorm, bnMomentum, stemStride, alpha },
    ...(typeof lrFrom === 'string' && { lrFrom }),
    ...(lrSource !== undefined && { lrSource }),
    ...(lrFactor !== undefined && { lrFactor }),
  };
  const config = resolveRun(
    { ...readDefaults().settings, classWeights: WITHOUT_RECORD.classWeights, ...given },
    { ...known, frozen: given.views !== undefined },
  );
  const isOlder = (name: string) => Object.hasOwn(WITHOUT_RECORD, name) && !Object.hasOwn(document, name);
  const missing = Object.keys(config).filter((name) => !isOlder(name) && !Object.hasOwn(document, name));
  if (missing.length > 0) {
    throw new UsageError(
      `${path} lacks ${missing.join(', ')}: another onecycle wrote it. Start the run anew.`,
    );
  }
  // Left out where the record says nothing: its checkpoints hold it against what it says.
  const recorded = Object.fromEntries(Object.entries(config).filter(([name]) => !isOlder(name)));
  const own = replans === undefined ? {} : { replans: readReplans(replans, path) };
  return Object.freeze({ ...(recorded as unknown as RunConfig), ...own });
}

function readReplans(value: JsonValue, path: string): readonly Replan[] {
  const wrong = () => new UsageError(`Expected a list of steps and epochs for "replans" in ${path}.`);
  const isList = (list: JsonValue): list is readonly JsonValue[] => Array.isArray(list);
  if (!isList(value)) throw wrong();
  return value.map((entry) => {
    const { step, fromEpochs, toEpochs } = isJsonObject(entry) ? entry : {};
    if (!isCount(step) || !isCount(fromEpochs) || !isCount(toEpochs)) throw wrong();
    return { step, fromEpochs, toEpochs };
  });
}

/** Throws UsageError where there is nothing left to train. */
function refuseEnded({ dir, status }: RunRecord, { epochs }: RunConfig, given: GivenSettings): void {
  if (status === 'failed') {
    throw new UsageError(
      `${dir} diverged, and would do so again: a resumed run takes the same steps. Start a new one with a lower --lr.`,
    );
  }
  if (status === 'completed' && given.extendTo === undefined) {
    throw new UsageError(
      `${dir} is completed: there is nothing left to train. --extend-to EPOCHS plans more than its ${counted(epochs, 'epoch')}.`,
    );
  }
}

/**
 * Throws UsageError with the difference where an option that was given says otherwise than the run's configuration.
 * Options that make no difference to the result, and where data and weights lie now, may be given freely.
 */
export function refuseContradictions(dir: string, config: RunConfig, given: GivenSettings): void {
  const recorded: Readonly<Record<string, unknown>> = { ...WITHOUT_RECORD, ...config };
  const differences = Object.entries(given).flatMap(([name, value]) => {
    if (!Object.hasOwn(recorded, name) || MOVABLE.has(name)) return [];
    const meant =
      name === 'lr' ? rateMeant(value, config) : name === 'views' ? viewsMeant(value, config) : value;
    const held = recorded[name];
    return JSON.stringify(meant) === JSON.stringify(held)
      ? []
      : [`  ${flagName(name)}: ${shown(held)} in the run, ${shown(meant)} given`];
  });
  if (differences.length === 0) return;
  const epochs = given.epochs === undefined || given.epochs === config.epochs;
  const hint = epochs ? '' : ' More epochs are planned with --extend-to.';
  throw new UsageError(
    `${dir} was started with other settings:\n${differences.join('\n')}\nLeave these out to go on with it, or start a new run without --resume.${hint}`,
  );
}

/** A rate that was found then is not found again: `auto` and `from:RUN` mean the recorded number. */
function rateMeant(value: unknown, { lr, arm, policy }: RunConfig): unknown {
  const own = typeof value === 'object' && value !== null ? Object.entries(value) : [['', value]];
  const found = [arm, policy, ''].map((name) => own.find(([key]) => key === name)?.[1]);
  const stated: unknown = found.find((entry) => entry !== undefined);
  return typeof stated === 'number' ? stated : lr;
}

function viewsMeant(value: unknown, { augment, views }: RunConfig): unknown {
  return views === null || typeof value !== 'number' ? views : effectiveViews({ augment, views: value });
}

function shown(value: unknown): string {
  return value === null ? 'none' : typeof value === 'string' ? value : JSON.stringify(value);
}

/** The settings with which a run's data and weights are opened again. */
function settingsOf(config: RunConfig, settings: Settings, given: GivenSettings): Settings {
  const options = Object.entries(config).filter(
    ([name, value]) => value !== null && Object.hasOwn(OPTIONS, name),
  );
  return {
    ...settings,
    ...checkSettings(Object.fromEntries(options)),
    ...placesOf(config, given),
    weights: given.weights ?? config.weights,
  };
}

/** Where data and labels lie now. Labels that were given alone had the data beside them. */
function placesOf(config: RunConfig, given: GivenSettings): Pick<Settings, 'data' | 'labels'> {
  const labels = given.labels ?? config.labels ?? undefined;
  const beside = typeof config.labels === 'string' && config.data === dirname(config.labels);
  const data = given.labels !== undefined && beside ? dirname(given.labels) : config.data;
  return { data: given.data ?? data, ...(labels === undefined ? {} : { labels }) };
}

/** Files that a message names; there may be thousands. */
const NAMED = 5;

/**
 * Throws UsageError where the images or the starting weights are others than those of the recorded run, naming them.
 * @param recorded the run's dataset.json
 * @param weights how the user names the weights
 */
function refuseChangedData(dir: string, recorded: JsonObject, bench: Workbench, weights: string): void {
  const now = asJson(datasetDocument(bench));
  const advice = 'Put back what the run was started with, or start a new run without --resume.';
  const changes = changesOf(filesOf(recorded), filesOf(now));
  if (changes.length > 0) {
    const more = changes.length > NAMED ? `, and ${changes.length - NAMED} more` : '';
    throw new UsageError(
      `${dir} was trained on other images than there are now: ${changes.slice(0, NAMED).join(', ')}${more}. ${advice}`,
    );
  }
  for (const name of ['classes', 'files']) {
    if (JSON.stringify(recorded[name]) !== JSON.stringify(now[name])) {
      throw new UsageError(`${dir} was trained on the same images in another order of ${name}. ${advice}`);
    }
  }
  if (recorded['weightsSha256'] !== now['weightsSha256']) {
    throw new UsageError(
      `${dir} was started from other weights than those of ${weights} now: expected SHA-256 ${String(recorded['weightsSha256'])} but received ${bench.weights.sha256}. ${advice}`,
    );
  }
}

/** Every file with what it was: its bytes by their hash, and its part of the data with its class. */
function filesOf(dataset: JsonObject): Map<string, { readonly bytes: string; readonly meaning: string }> {
  const { files } = dataset;
  const parts = isJsonObject(files) ? Object.entries(files) : [];
  return new Map(
    parts.flatMap(([part, list]) =>
      (Array.isArray(list) ? list : []).map((file: JsonValue) => {
        const { path, sha256, ...rest } = isJsonObject(file) ? file : {};
        return [String(path), { bytes: String(sha256), meaning: JSON.stringify([part, rest]) }] as const;
      }),
    ),
  );
}

function changesOf(before: ReturnType<typeof filesOf>, now: ReturnType<typeof filesOf>): string[] {
  const gone = [...before].flatMap(([path, what]) => {
    const found = now.get(path);
    if (found === undefined) return [`${path} is missing or cannot be read`];
    if (found.bytes !== what.bytes) return [`${path} has changed`];
    return found.meaning === what.meaning ? [] : [`${path} is of another class or part`];
  });
  const added = [...now.keys()].filter((path) => !before.has(path)).map((path) => `${path} is new`);
  return [...gone, ...added];
}
