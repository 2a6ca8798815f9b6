import { readDefaults, type Settings } from '../config/default-settings.js';
import { flagName, OPTIONS, type GivenSettings } from '../config/options.js';
import { effectiveViews, resolveRun, type Replan, type RunConfig } from '../config/run-config.js';
import { checkSettings } from '../config/schema.js';
import { UsageError } from '../errors/errors.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../record/json.js';

/** Where these lie may change between two parts of a run; their hashes may not. */
const MOVABLE = new Set(['data', 'weights']);

/**
 * The configuration that a run's config.json holds.
 * @param path of config.json, for messages
 * @throws UsageError where it is not that of a training run, lacks something, or holds what no option may be
 */
export function recordedRunConfig(document: JsonObject, path: string): RunConfig {
  const { arm, replans, ...options } = document;
  if (typeof arm !== 'string' || typeof options['policy'] !== 'string') {
    throw new UsageError(`${path} names no policy and arm: expected the folder of a run of onecycle train.`);
  }
  // null stands for an option that was not given.
  const given = checkSettings(
    Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null)),
    path,
  );
  const { imageSize, lr } = given;
  if (imageSize === undefined || typeof lr !== 'number') {
    throw new UsageError(`Expected numbers for "imageSize" and "lr" in ${path}. Is it that of a run?`);
  }
  const frozen = given.views !== undefined;
  const config = resolveRun({ ...readDefaults().settings, ...given }, { imageSize, lr, arm, frozen });
  const missing = Object.keys(config).filter((name) => !Object.hasOwn(document, name));
  if (missing.length > 0) {
    throw new UsageError(
      `${path} lacks ${missing.join(', ')}: another onecycle wrote it. Start the run anew.`,
    );
  }
  return replans === undefined ? config : Object.freeze({ ...config, replans: readReplans(replans, path) });
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

function isCount(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/**
 * Throws UsageError with the difference where an option that was given says otherwise than the run's configuration.
 * Options that make no difference to the result, and where data and weights lie now, may be given freely.
 */
export function refuseContradictions(dir: string, config: RunConfig, given: GivenSettings): void {
  const recorded: Readonly<Record<string, unknown>> = { ...config };
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
export function settingsOf(config: RunConfig, settings: Settings, given: GivenSettings): Settings {
  const options = Object.entries(config).filter(
    ([name, value]) => value !== null && Object.hasOwn(OPTIONS, name),
  );
  return {
    ...settings,
    ...checkSettings(Object.fromEntries(options)),
    data: given.data ?? config.data,
    weights: given.weights ?? config.weights,
  };
}
