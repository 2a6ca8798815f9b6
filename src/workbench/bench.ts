import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { shellLine } from '../config/options.js';
import type { RunConfig } from '../config/run-config.js';
import { batchesPerEpoch, type ImageSet } from '../data/images/batches.js';
import type { PreparedImages } from '../data/images/prepare.js';
import type { BackendInfo } from '../engine/backends/backend-info.js';
import type { LoadedBackbone } from '../model/load/backbone.js';
import type { DatasetDocument, DatasetSummary, Environment } from '../runs/documents.js';
import type { Emit } from './events.js';
import type { FeatureStore } from './features.js';
import type { KeptFeatures } from './kept-features.js';

// What a run needs of its workbench. Threads that train load this, and not what opens a workbench: decoders and readers of weights.

/** What the runs of one experiment share: decoded images, weights, and the frozen part's features. */
export interface Workbench<Images extends ImageSet = PreparedImages> {
  readonly images: Images;
  readonly weights: LoadedBackbone;
  /** Pixels a side of the network's input. */
  readonly imageSize: number;
  /** Index of the first trained block. */
  readonly firstTrained: number;
  /** Features of (image, view) and of the validation images; absent where nothing is frozen. */
  readonly features:
    { readonly train: FeatureStore; readonly valid: FeatureStore; readonly kept: KeptFeatures } | undefined;
  /** Frees caches and removes temporary files. */
  close(): void;
}

/** A workbench to begin on, some of whose images may still be on their way. */
export interface OpenBench {
  readonly bench: Workbench<ImageSet>;
  /** The same with all its images, once they are there; rejects where some will not come. */
  readonly whole: Promise<Workbench>;
}

/** A bench all of whose images are there. */
export function wholeBench(bench: Workbench): OpenBench {
  return { bench, whole: Promise.resolve(bench) };
}

/** Mini-batches of an epoch, the last and smaller one included. */
export function stepsPerEpoch(
  { images }: Pick<Workbench<ImageSet>, 'images'>,
  { batchSize }: Pick<RunConfig, 'batchSize'>,
): number {
  return batchesPerEpoch(images.train.length, batchSize);
}

/** Whom a bench tells what it does, and who stops it. */
export interface BenchContext {
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/** The data of a workbench in short. */
export function datasetSummary({ images: { classNames, train, valid, skipped } }: Workbench): DatasetSummary {
  const counted = classNames.map((name) => ({ class: name, train: 0, valid: 0 }));
  for (const [part, samples] of Object.entries({ train, valid } as const)) {
    for (const { label } of samples) {
      const count = counted[label];
      if (count !== undefined) count[part === 'train' ? 'train' : 'valid']++;
    }
  }
  return { classes: classNames, train: train.length, valid: valid.length, counts: counted, skipped };
}

/** dataset.json: the summary, every file with its hash, and the hash of the weights that training started from. */
export function datasetDocument(bench: Workbench): DatasetDocument {
  const files = (samples: Workbench['images']['train']) =>
    samples.map(({ path, label, sha256 }) => ({ path, label, sha256 }));
  const { train, valid, labels } = bench.images;
  return {
    ...datasetSummary(bench),
    weightsSha256: bench.weights.sha256,
    files: { train: files(train), valid: files(valid) },
    ...(labels === undefined ? {} : { labels }),
  };
}

/** Describes this process, and the command that it carries out, with the backend that was started. */
export function describeEnvironment(backend: BackendInfo): Environment {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return {
    onecycle: version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    backend: backend.name,
    device: backend.device,
    driver: backend.driver,
    arithmetic: backend.arithmetic ?? null,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    versions: backend.versions,
    ...describeCommand(),
  };
}

/** The command that this process carries out, and when it was given. */
export function describeCommand(): Required<Pick<Environment, 'commandLine' | 'startedAt'>> {
  return {
    commandLine: shellLine(['onecycle', ...process.argv.slice(2)]),
    startedAt: new Date(Date.now() - 1000 * process.uptime()).toISOString(),
  };
}
