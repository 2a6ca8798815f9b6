import type { SkippedFile } from '../data/image-folder.js';
import type { Workbench } from './workbench.js';

/** The data in short, as every JSON document holds it. */
export interface DatasetSummary {
  readonly classes: readonly string[];
  readonly train: number;
  readonly valid: number;
  /** Images of each class, in the order of `classes`. */
  readonly counts: readonly { readonly class: string; readonly train: number; readonly valid: number }[];
  readonly skipped: readonly SkippedFile[];
}

/** The data of a workbench in short. */
export function datasetSummary({ images: { classNames, train, valid, skipped } }: Workbench): DatasetSummary {
  const counted = classNames.map((name, label) => ({
    class: name,
    train: train.filter((sample) => sample.label === label).length,
    valid: valid.filter((sample) => sample.label === label).length,
  }));
  return { classes: classNames, train: train.length, valid: valid.length, counts: counted, skipped };
}

/** dataset.json: the summary, every file with its hash, and the hash of the weights that training started from. */
export function datasetDocument(bench: Workbench): object {
  const files = (samples: Workbench['images']['train']) =>
    samples.map(({ path, label, sha256 }) => ({ path, label, sha256 }));
  const { train, valid } = bench.images;
  return {
    ...datasetSummary(bench),
    weightsSha256: bench.weights.sha256,
    files: { train: files(train), valid: files(valid) },
  };
}
