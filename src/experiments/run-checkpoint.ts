import { firstNonFinite } from '../model/first-non-finite.js';
import type { Checkpoint } from '../record/checkpoint-file.js';
import type { JsonlOffsets } from '../record/jsonl-offsets.js';
import { isJsonObject, type JsonValue } from '../record/json.js';
import type { Prediction } from '../training/records.js';
import type { TrainedState } from '../training/network-setup.js';
import type { RunState } from '../training/run-state.js';

/** All that a run needs to go on as if nothing had happened. */
export interface RunCheckpoint {
  readonly state: RunState;
  readonly replica: TrainedState;
  /** Of the last finished epoch, in the order of the validation images. */
  readonly predictions: readonly Prediction[];
}

const WEIGHTS = 'weights/';
const VELOCITIES = 'velocities/';
const PREDICTED = 'predictions/predicted';
const PROBABILITY = 'predictions/probability';

/** A checkpoint's contents; `offsets` are the lengths of the record's files at this moment. */
export function packCheckpoint(
  { state, replica, predictions }: RunCheckpoint,
  offsets: JsonlOffsets,
): Checkpoint {
  const tensors = new Map<string, Float32Array>();
  for (const [name, values] of replica.weights) tensors.set(WEIGHTS + name, values);
  for (const [name, values] of replica.velocities) tensors.set(VELOCITIES + name, values);
  tensors.set(
    PREDICTED,
    Float32Array.from(predictions, ({ predicted }) => predicted),
  );
  // Doubles, to the last bit: two float32 slots each.
  const probabilities = Float64Array.from(predictions, ({ probability }) => probability);
  tensors.set(PROBABILITY, new Float32Array(probabilities.buffer));
  return { header: { state: state as unknown as JsonValue, offsets: { ...offsets } }, tensors };
}

/** The reverse of {@link packCheckpoint}. */
export function unpackCheckpoint({ header, tensors }: Checkpoint): RunCheckpoint {
  const state = isJsonObject(header) ? header['state'] : undefined;
  if (!isJsonObject(state)) throw new Error('the checkpoint holds no state of a run');
  // A copy of bytes: half a double may look like a NaN, whose bits a conversion would not keep.
  const probabilities = new Float64Array((tensors.get(PROBABILITY) ?? new Float32Array()).slice().buffer);
  return {
    // What the checksum vouches for was written by packCheckpoint.
    state: state as unknown as RunState,
    replica: { weights: named(tensors, WEIGHTS), velocities: named(tensors, VELOCITIES) },
    predictions: Array.from(tensors.get(PREDICTED) ?? [], (predicted, i) => ({
      predicted,
      probability: probabilities[i] ?? NaN,
    })),
  };
}

/** Whether every weight is a finite number: after a divergence some are not. */
export function isSound({ weights }: TrainedState): boolean {
  return [...weights.values()].every((values) => firstNonFinite(values) < 0);
}

function named(tensors: ReadonlyMap<string, Float32Array>, prefix: string): Map<string, Float32Array> {
  const chosen = [...tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(chosen.map(([name, values]) => [name.slice(prefix.length), values]));
}
