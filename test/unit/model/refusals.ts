import { expect } from 'vitest';
import { UsageError } from '../../../src/errors.js';
import { loadBackbone } from '../../../src/model/load/backbone.js';
import { type LooseLayer, type LooseModelJson, type SavedModel, writeModel } from './model-folders.js';

/** The message with which a model is refused after `change`; fails where it is not. */
export async function refusal(
  saved: SavedModel,
  change: (json: LooseModelJson, bytes: Uint8Array) => unknown,
): Promise<string> {
  const json = structuredClone(saved.json);
  const bytes = saved.bytes.slice();
  const replaced = change(json, bytes);
  const path = await writeModel(replaced ?? json, { 'weights.bin': bytes });
  return await messageOf(path);
}

/** The message with which a file is refused. */
export async function messageOf(path: string): Promise<string> {
  const error: unknown = await loadBackbone(path).then(
    () => 'it was accepted',
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UsageError);
  const { message } = error as UsageError;
  expect(message).toContain(path);
  expect(message).toContain('MobileNet V1 or V2');
  return message;
}

/** The layer of a name. */
export function layer(json: LooseModelJson, name: string): LooseLayer {
  return json.modelTopology.config.layers.find((found) => found.name === name)!;
}
