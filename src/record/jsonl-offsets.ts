import { isJsonObject, type JsonValue } from './json.js';

/** Bytes of steps.jsonl and epochs.jsonl that belong to a checkpoint. */
export interface JsonlOffsets {
  readonly steps: number;
  readonly epochs: number;
}

/** The offsets in a checkpoint's header; undefined where it holds none. */
export function offsetsOf(header: JsonValue): JsonlOffsets | undefined {
  const offsets = isJsonObject(header) ? header['offsets'] : undefined;
  if (!isJsonObject(offsets)) return undefined;
  const { steps, epochs } = offsets;
  return isLength(steps) && isLength(epochs) ? { steps, epochs } : undefined;
}

function isLength(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
