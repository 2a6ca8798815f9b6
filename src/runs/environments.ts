import type {
  PartEnvironment,
  RecordedEnvironment,
  RunEnvironment,
  RunEvent,
  RunRecord,
} from './documents.js';
import { asJson, isJsonObject, type JsonObject, sameJson } from './json.js';

/** What of an environment decides the bits of a result; the rest says how fast they were computed. */
export const DECISIVE = ['backend', 'arithmetic', 'onecycle', 'sliceSize'] as const;

/** Joins backends in environment.json of versions that kept no history, as in wasm+cpu. */
const JOINT = '+';

/**
 * Where the parts of a run were computed, oldest first; one where it was never resumed elsewhere.
 *
 * Versions without a history replaced environment.json where the backend changed, naming both, and in all other cases
 * left it as it was: what they went on with is then in result.json alone.
 */
export function environmentsOf({
  environment,
  result,
}: Pick<RunRecord, 'environment' | 'result'>): readonly JsonObject[] {
  const { history } = environment;
  if (Array.isArray(history) && history.length > 0) return history.filter(isJsonObject);
  const last = result?.['environment'];
  const moved = isJsonObject(last) && DECISIVE.some((name) => last[name] !== environment[name]);
  return [environment, ...(moved ? [last] : [])].flatMap((part) => {
    const { backend } = part;
    if (typeof backend !== 'string') return [part];
    return backend.split(JOINT).map((name) => ({ ...part, backend: name }));
  });
}

/**
 * The environment of a run that goes on `here`: with the history, where its parts are computed in different ones, and
 * with the event to record where that may change its bits.
 * @param state where the run stands
 */
export function continuedEnvironment(
  record: Pick<RunRecord, 'environment' | 'result'>,
  here: RunEnvironment,
  { step, epochs }: { readonly step: number; readonly epochs: readonly unknown[] },
): { readonly environment: RecordedEnvironment; readonly event: RunEvent | null } {
  const before = environmentsOf(record).map(partOf);
  const last = before.at(-1);
  const part: PartEnvironment = { fromStep: step, ...here };
  const same = last !== undefined && isSame(last, part);
  if (same && before.length === 1) return { environment: here, event: null };
  const history = same ? before : [...before, part];
  return {
    environment: { ...here, history },
    event: same ? null : environmentEvent(last, here, step, epochs.length),
  };
}

/** A part as the history has it: the only part of a run, which began at step 0, is the environment itself. */
function partOf(environment: JsonObject, index: number): PartEnvironment {
  const fields = Object.entries(environment).filter(
    ([name]) => name !== 'schemaVersion' && name !== 'history',
  );
  // An earlier version may have written fewer fields: they are kept as they are.
  return { fromStep: index === 0 ? 0 : null, ...Object.fromEntries(fields) } as unknown as PartEnvironment;
}

/** Whether two parts were computed in one environment, whichever command began them. */
function isSame(a: PartEnvironment, b: PartEnvironment): boolean {
  return sameJson(placeOf(asJson(a)), placeOf(asJson(b)));
}

/** Where a part was computed, without what else is said of it: its first step, its command and when it began. */
export function placeOf(part: JsonObject): JsonObject {
  const apart = ['fromStep', 'schemaVersion', 'history', 'commandLine', 'startedAt'];
  return Object.fromEntries(Object.entries(part).filter(([name]) => !apart.includes(name)));
}

/** What the user should know where a run goes on with other arithmetic; null where its bits stay the same. */
function environmentEvent(
  before: PartEnvironment | undefined,
  here: RunEnvironment,
  step: number,
  epoch: number,
): RunEvent | null {
  // Backends that say nothing of their arithmetic are told apart by their names.
  const changed = DECISIVE.filter(
    (name) =>
      before !== undefined && before[name] !== here[name] && typeof before[name] === typeof here[name],
  );
  if (changed.length === 0) return null;
  const names = {
    backend: 'the backend',
    arithmetic: 'arithmetic',
    onecycle: 'onecycle',
    sliceSize: 'a slice size of',
  };
  const what = changed.map((name) => `${names[name]} ${here[name]} after ${before?.[name]}`).join(', ');
  const text = `The run goes on with ${what}: from step ${step} on its last digits may differ from those of a run that never changed.`;
  return { type: changed.includes('backend') ? 'backend' : 'environment', step, epoch, text };
}
