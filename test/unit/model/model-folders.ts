import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { onTestFinished } from 'vitest';
import type { Parameters } from '../../../src/model/network.js';

/** A model.json as JSON, loose enough to be broken in tests. */
export interface LooseModelJson {
  format?: unknown;
  modelTopology: { class_name: string; config: { layers: LooseLayer[]; [key: string]: unknown } };
  weightsManifest: { paths: string[]; weights: LooseWeight[] }[];
}
export interface LooseLayer {
  name: string;
  class_name: string;
  config: Record<string, unknown>;
  inbound_nodes: unknown[][];
}
export interface LooseWeight {
  name: string;
  shape: number[];
  dtype: string;
  [key: string]: unknown;
}

/** A layers-model in memory, as TFJS itself saves it. */
export interface SavedModel {
  readonly json: LooseModelJson;
  readonly bytes: Uint8Array;
}

/** What `model.save` writes, with all weights in one file called weights.bin. */
export async function savedByTfjs(model: tfl.LayersModel): Promise<SavedModel> {
  let saved: SavedModel | undefined;
  const handler = tf.io.withSaveHandler((artifacts) => {
    const json = {
      format: 'layers-model',
      modelTopology: artifacts.modelTopology,
      weightsManifest: [{ paths: ['weights.bin'], weights: artifacts.weightSpecs }],
    };
    const bytes = new Uint8Array(tf.io.CompositeArrayBuffer.join(artifacts.weightData));
    saved = { json: JSON.parse(JSON.stringify(json)) as LooseModelJson, bytes };
    return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } });
  });
  await model.save(handler);
  return saved!;
}

/** A fresh folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onecycle-model-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

/** Writes a model into a fresh folder and answers the path of its model.json. */
export async function writeModel(json: unknown, files: Record<string, Uint8Array>): Promise<string> {
  const folder = await temporaryFolder();
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
  const path = join(folder, 'model.json');
  await writeFile(path, typeof json === 'string' ? json : JSON.stringify(json));
  return path;
}

/** Of all names, shapes and bits. */
export function hashOf(parameters: Parameters): string {
  const hash = createHash('sha256');
  for (const [name, { shape, values }] of parameters) {
    hash
      .update(JSON.stringify([name, shape]))
      .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex');
}
