import type { TrainedState } from '../engine/params.js';
import { firstNonFinite } from '../model/network.js';
import type { Checkpoint } from '../runs/checkpoint.js';
import type { BestEpoch, EpochRecord, Prediction, RunEvent } from '../runs/documents.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../runs/json.js';
import type { JsonlOffsets } from '../runs/jsonl.js';

/** Where a run stands between two steps: plain JSON, all that a resume needs beside weights and momenta. */
export interface RunState {
  /** The next step to take, from 0. */
  readonly step: number;
  /** The epoch that this step belongs to, from 1. */
  readonly epoch: number;
  readonly scheduleState: unknown;
  /** Sum over the epoch's steps so far of loss times images. */
  readonly lossSum: number;
  /** Images seen in the epoch so far. */
  readonly images: number;
  /** Wall-clock seconds spent in the epoch before this process. */
  readonly epochSeconds: number;
  /** Wall-clock seconds of the whole run before this process. */
  readonly seconds: number;
  readonly epochs: readonly EpochRecord[];
  readonly best: BestEpoch | null;
  /** What changed the run's course; events.jsonl is written from here. */
  readonly events: readonly RunEvent[];
  /** How many of the configuration's replans have been made. */
  readonly replans: number;
}

/** A run before its first step. */
export function initialRunState(scheduleState: unknown): RunState {
  return {
    step: 0,
    epoch: 1,
    scheduleState,
    lossSum: 0,
    images: 0,
    epochSeconds: 0,
    seconds: 0,
    epochs: [],
    best: null,
    events: [],
    replans: 0,
  };
}

/** All that a run needs to go on as if nothing had happened. */
export interface RunCheckpoint {
  readonly state: RunState;
  readonly replica: TrainedState;
  /** Of the last finished epoch, in the order of the validation images. */
  readonly predictions: readonly Prediction[];
}

const WEIGHTS = 'weights/';
const VELOCITIES = 'velocities/';
const STATISTICS = 'statistics/';
const PREDICTED = 'predictions/predicted';
const PROBABILITY = 'predictions/probability';

/**
 * A checkpoint's contents.
 * @param offsets the lengths of the record's files at this moment
 * @param record what the run is, as `checkpointRecord` has it
 */
export function packCheckpoint(
  { state, replica, predictions }: RunCheckpoint,
  offsets: JsonlOffsets,
  record: JsonObject,
): Checkpoint {
  const tensors = new Map<string, Float32Array>();
  for (const [name, values] of replica.weights) tensors.set(WEIGHTS + name, values);
  for (const [name, values] of replica.velocities) tensors.set(VELOCITIES + name, values);
  for (const [name, values] of replica.statistics ?? []) tensors.set(STATISTICS + name, values);
  tensors.set(
    PREDICTED,
    Float32Array.from(predictions, ({ predicted }) => predicted),
  );
  // Doubles, to the last bit: two float32 slots each.
  const probabilities = Float64Array.from(predictions, ({ probability }) => probability);
  tensors.set(PROBABILITY, new Float32Array(probabilities.buffer));
  return { header: { state: state as unknown as JsonValue, offsets: { ...offsets }, record }, tensors };
}

/** The reverse of {@link packCheckpoint}. */
export function unpackCheckpoint({ header, tensors }: Checkpoint): RunCheckpoint {
  const state = isJsonObject(header) ? header['state'] : undefined;
  if (!isJsonObject(state)) throw new Error('the checkpoint holds no state of a run');
  // A copy of bytes: half a double may look like a NaN, whose bits a conversion would not keep.
  const probabilities = new Float64Array((tensors.get(PROBABILITY) ?? new Float32Array()).slice().buffer);
  const statistics = named(tensors, STATISTICS);
  return {
    // The checksum was right, so that packCheckpoint wrote it.
    state: state as unknown as RunState,
    replica: {
      weights: named(tensors, WEIGHTS),
      velocities: named(tensors, VELOCITIES),
      ...(statistics.size > 0 && { statistics }),
    },
    predictions: Array.from(tensors.get(PREDICTED) ?? [], (predicted, i) => ({
      predicted,
      probability: probabilities[i] ?? NaN,
    })),
  };
}

/** Whether every weight and running statistic is a finite number: after a divergence some are not. */
export function isSound({ weights, statistics = new Map() }: TrainedState): boolean {
  return [...weights.values(), ...statistics.values()].every((values) => firstNonFinite(values) < 0);
}

function named(tensors: ReadonlyMap<string, Float32Array>, prefix: string): Map<string, Float32Array> {
  const chosen = [...tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(chosen.map(([name, values]) => [name.slice(prefix.length), values]));
}
