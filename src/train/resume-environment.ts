import type { RunEnvironment, RunEvent } from '../runs/documents.js';
import type { JsonObject } from '../runs/json.js';
import type { RunState } from './run-state.js';

/** Joins the backends that a run was trained on, oldest first. */
const JOINT = '+';

/** Where a resumed run is computed, and what the user should know of it. */
export interface ResumedEnvironment {
  /** `backend` names all backends of the run, such as wasm+cpu, so that nobody takes it for a run of one. */
  readonly environment: RunEnvironment;
  readonly notes: readonly string[];
  /** Null where the run stays on its backend. */
  readonly event: RunEvent | null;
}

/** The backend that a run was last trained on. */
export function lastBackend(recorded: JsonObject): string | undefined {
  const { backend } = recorded;
  return typeof backend === 'string' ? backend.split(JOINT).at(-1) : undefined;
}

/** Compares where a run was computed with where it goes on: other arithmetic gives other bits. */
export function resumedEnvironment(
  recorded: JsonObject,
  here: RunEnvironment,
  state: RunState,
): ResumedEnvironment {
  const before = typeof recorded['backend'] === 'string' ? recorded['backend'] : here.backend;
  // Backends that say nothing of their arithmetic are told apart by their names below.
  const changed = (['onecycle', 'arithmetic', 'sliceSize'] as const).filter(
    (name) => recorded[name] !== here[name] && typeof recorded[name] === typeof here[name],
  );
  const notes = changed.map(
    (name) =>
      `The run was begun with ${name} ${String(recorded[name])} and goes on with ${here[name]}: its last digits may differ from those of a run that was never interrupted.`,
  );
  if (lastBackend(recorded) === here.backend) {
    return { environment: { ...here, backend: before }, notes, event: null };
  }
  const text = `The run goes on with the backend ${here.backend} after ${before}: from step ${state.step} on its last digits differ from those of a run that never changed.`;
  return {
    environment: { ...here, backend: `${before}${JOINT}${here.backend}` },
    notes: [...notes, `Warning: ${text}`],
    event: { type: 'backend', step: state.step, epoch: state.epochs.length, text },
  };
}
