import { createHash } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { walkClassFolder } from '../data/folder/folders.js';
import type { SkippedFile } from '../data/folder/image-folder.js';
import { decodedShortSide, validationBox } from '../data/images/crop.js';
import { decodeImage, readImageFile } from '../data/images/decode.js';
import type { DecodedImage } from '../data/images/image.js';
import { imagesAtATime } from '../data/images/prepare.js';
import type { Engine } from '../engine/engine.js';
import { openEngine } from '../engine/open-engine.js';
import { messageOf, UsageError } from '../errors.js';
import { loadClassifier } from '../model/load/backbone.js';
import { foldBatchNorms } from '../model/load/fold.js';
import { type TrainedClassifier, withTrained } from '../model/save.js';
import { readNewestCheckpoint } from '../runs/checkpoint.js';
import { RUN_FILES } from '../runs/documents.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../runs/json.js';
import { readDocument } from '../runs/read-document.js';
import { epochShape, readEnvironment, readRecords } from '../runs/read-run.js';
import { requireOwnModel } from '../runs/run-model.js';
import { unpackCheckpoint } from '../train/run-state.js';
import { softmax } from '../workbench/evaluate.js';

/** Images computed at a time. */
const BATCH = 32;

/** Which weights of a run: those of its best epoch, or those of its last checkpoint. */
export type Generation = 'best' | 'final';

/** The classifier of a recorded run. */
export interface RunClassifier extends TrainedClassifier {
  /** SHA-256 of the files that the run was trained on. */
  readonly trainedOn: ReadonlySet<string>;
  /** The classes of the run's own images, by the SHA-256 of their files, where a table of labels said them and no folders do. */
  readonly labelled: ReadonlyMap<string, number>;
  /** A sentence for the user, where not everything is as expected. */
  readonly note: string | null;
}

/**
 * Reads the classifier of a run's folder, from its model/ alone; the last checkpoint besides for the final weights. Throws
 * UsageError where the folder is no run, has no model yet or that of an earlier epoch, or holds damaged files.
 */
export async function openRunClassifier(dir: string, generation: Generation): Promise<RunClassifier> {
  await readEnvironment(dir);
  const config = await readDocument(join(dir, RUN_FILES.config));
  const dataset = await readDocument(join(dir, RUN_FILES.dataset));
  await requireOwnModel(dir);
  const best = await loadClassifier(join(dir, RUN_FILES.model, 'model.json'));
  const known = {
    classNames: classesOf(dataset, best.head.bias.length, dir),
    imageSize: imageSizeOf(config, dir),
    trainedOn: new Set(filesOf(dataset, 'train').keys()),
    labelled: dataset['labels'] === undefined ? new Map<string, number>() : ownLabels(dataset),
  };
  if (generation === 'best') return { ...best, ...known, note: null };
  const checkpoint = await readNewestCheckpoint(dir);
  const { state, replica } = unpackCheckpoint(checkpoint);
  const epochs = await readRecords(join(dir, RUN_FILES.epochs), epochShape);
  if (state.epochs.length < epochs.length) {
    throw new UsageError(
      `${checkpoint.note ?? `The last checkpoint of ${dir} is damaged.`} It is of epoch ${state.epochs.length}, and the final epoch is ${epochs.length}: the ` +
        'final weights are lost. Put the original back, or leave out --final for those of the best epoch.',
    );
  }
  return { ...withTrained(best, replica), ...known, note: checkpoint.note };
}

/** An image to classify. */
export interface ListedImage {
  /** As the user would name it: a file as given, or what was found in a folder, under the folder as given. */
  readonly path: string;
  /** The class that the name of its folder says, by number; null where that is no class. */
  readonly label: number | null;
}

/** What the names on the command line stand for. */
export interface ListedImages {
  readonly images: readonly ListedImage[];
  readonly skipped: readonly SkippedFile[];
}

/**
 * Lists files as they were named, and folders as the data folder is read: all images at any depth, sorted, links out of it
 * refused unless they are to be followed. The nearest folders around an image that are called as a class say its true class:
 * of a named file those that it lies in, of a named folder that folder, those above that complete its name, and those below it.
 * Throws UsageError for a folder that may not be read.
 */
export async function listImages(
  names: readonly string[],
  classNames: readonly string[],
  followLinks: boolean,
): Promise<ListedImages> {
  const labels = new Map(classNames.map((name, label) => [name, label]));
  const longest = Math.max(...classNames.map((name) => name.split('/').length));
  /** @param own the folder that a name may end with first, and those below it */
  const labelled = (path: string, own: string, below: readonly string[]): ListedImage => {
    const above = dirname(own)
      .split(sep)
      .slice(1 - longest);
    const start = longest > 1 ? above : [];
    const folders = [...start, basename(own), ...below].map((folder) => folder.normalize('NFC'));
    return { path, label: classOf(folders, start.length + 1, labels) };
  };
  const images: ListedImage[] = [];
  const skipped: SkippedFile[] = [];
  for (const name of names) {
    const there = await stat(name).catch(() => undefined);
    if (there?.isDirectory() === true) {
      const real = await realpath(name);
      const path = name.replace(/(?<=.)[/\\]+$/, '');
      const reading = { root: name, realRoot: real, followLinks, listings: new Map() };
      const found = await walkClassFolder({ path, real }, reading, { skipped, passedOver: [] });
      images.push(
        ...found.map((file) =>
          labelled(file, resolve(name), file.slice(path.length).split('/').slice(1, -1)),
        ),
      );
    } else if (there?.isFile() === true) {
      images.push(labelled(name, dirname(resolve(name)), []));
    } else {
      const reason = there === undefined ? 'there is no such file or folder' : 'neither a file nor a folder';
      skipped.push({ path: name, reason });
    }
  }
  return { images, skipped };
}

/**
 * The class that folders around an image say: the innermost that end the name of one say it, such as cats or animals/cats, and of
 * several names the longest.
 * @param first how many folders at least lie before the end of a name
 */
function classOf(
  folders: readonly string[],
  first: number,
  labels: ReadonlyMap<string, number>,
): number | null {
  for (let end = folders.length; end >= first; end--) {
    for (let start = 0; start < end; start++) {
      const label = labels.get(folders.slice(start, end).join('/'));
      if (label !== undefined) return label;
    }
  }
  return null;
}

/** What became of one image. */
export type Classified = ListedImage & {
  /** Probability of each class. */
  readonly probabilities: Float64Array;
  /** Of the file's bytes. */
  readonly sha256: string;
};

/** An image that could not be read, and why, in words for the user. */
export type Unreadable = ListedImage & { readonly reason: string };

/** What a part of the images came to, in their order. */
export interface ClassifiedBatch {
  readonly classified: readonly Classified[];
  readonly unreadable: readonly Unreadable[];
}

/**
 * Classifies images by the rules of validation, with one engine for all of them and while later ones are being decoded. An
 * image that cannot be decoded is tried once more after all others, alone. Ends early when the signal is aborted.
 * Throws RunError where the device fails.
 */
export async function* predict(
  classifier: TrainedClassifier,
  images: readonly ListedImage[],
  { workers, signal }: { readonly workers: number; readonly signal: AbortSignal },
): AsyncGenerator<ClassifiedBatch, void, undefined> {
  if (images.length === 0) return;
  const engine = await openEngine(
    {
      ...classifier,
      // What no step will train computes the same with batch norm folded, and faster.
      ...foldBatchNorms(classifier),
      firstTrained: classifier.backbone.blocks.length,
      labelSmoothing: 0,
      weightDecay: 0,
      headLrMultiplier: 1,
    },
    BATCH,
    workers,
  );
  const shortSide = decodedShortSide(classifier.imageSize);
  // After the signal nothing more is read; what was begun ahead goes nowhere.
  const read = (image: ListedImage): Promise<Decoded | Failed> =>
    signal.aborted
      ? Promise.resolve({ ...image, reason: 'interrupted', from: 'file' })
      : readOne(image, shortSide);
  try {
    const failed: ListedImage[] = [];
    for await (const batch of inBatches(ahead(images, read), BATCH)) {
      if (signal.aborted) return;
      const { decoded, unreadable } = sorted(batch);
      // All threads of the decoder share the place where they write what went wrong: a reason is surely an image's own only
      // where no other is decoded beside it.
      failed.push(...unreadable.filter(({ from }) => from === 'decoder'));
      yield {
        classified: await classify(engine, decoded),
        unreadable: unreadable.filter(({ from }) => from === 'file'),
      };
      // On wasm all promises are settled at once: without a turn of the event loop no signal would be heard.
      await nextTurn();
    }
    for (const image of failed) {
      if (signal.aborted) return;
      const { decoded, unreadable } = sorted([await read(image)]);
      yield { classified: await classify(engine, decoded), unreadable };
    }
  } finally {
    await engine.dispose();
  }
}

interface Decoded extends ListedImage {
  readonly image: DecodedImage;
  readonly sha256: string;
}

type Failed = Unreadable & { readonly from: 'file' | 'decoder' };

async function readOne(listed: ListedImage, shortSide: number): Promise<Decoded | Failed> {
  let bytes: Buffer;
  try {
    bytes = await readImageFile(listed.path);
  } catch (error) {
    return { ...listed, reason: messageOf(error), from: 'file' };
  }
  try {
    const image = await decodeImage(bytes, shortSide);
    return { ...listed, image, sha256: createHash('sha256').update(bytes).digest('hex') };
  } catch (error) {
    return { ...listed, reason: messageOf(error), from: 'decoder' };
  }
}

function sorted(batch: readonly (Decoded | Failed)[]) {
  return {
    decoded: batch.filter((one): one is Decoded => 'image' in one),
    unreadable: batch.filter((one): one is Failed => 'reason' in one),
  };
}

async function classify(engine: Engine, decoded: readonly Decoded[]): Promise<Classified[]> {
  if (decoded.length === 0) return [];
  const images = decoded.map(({ image }) => image);
  const logits = await engine.logits({ kind: 'images', images, boxes: images.map(validationBox) });
  const classes = logits.length / images.length;
  return decoded.map(({ path, label, sha256 }, i) => ({
    path,
    label,
    sha256,
    probabilities: softmax(logits.subarray(i * classes, (i + 1) * classes)),
  }));
}

/**
 * The results of work on each item, in the items' order. A bounded number is worked on at a time, and the work runs ahead of
 * the reader by two batches.
 */
async function* ahead<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  const lanes: Promise<unknown>[] = Array.from({ length: imagesAtATime() }, () => Promise.resolve());
  const begun: Promise<Result>[] = [];
  for (const [i, item] of items.entries()) {
    const lane = i % lanes.length;
    const result = (lanes[lane] ?? Promise.resolve()).then(() => work(item));
    lanes[lane] = result;
    begun.push(result);
    const first = begun.length > 2 * BATCH ? begun.shift() : undefined;
    if (first !== undefined) yield first;
  }
  yield* begun;
}

async function* inBatches<Item>(
  items: AsyncIterable<Item>,
  size: number,
): AsyncGenerator<Item[], void, undefined> {
  let batch: Item[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function classesOf({ classes }: JsonObject, outputs: number, dir: string): string[] {
  if (Array.isArray(classes) && classes.length === outputs) return classes.map(String);
  throw new UsageError(
    `Expected the ${outputs} classes of its model in ${join(dir, RUN_FILES.dataset)} but found ` +
      `${Array.isArray(classes) ? classes.length : 'none'}. Put the original back.`,
  );
}

function imageSizeOf({ imageSize }: JsonObject, dir: string): number {
  if (typeof imageSize === 'number' && Number.isInteger(imageSize) && imageSize > 0) return imageSize;
  throw new UsageError(
    `Expected a whole number as imageSize in ${join(dir, RUN_FILES.config)} but received ${JSON.stringify(imageSize)}. Put the original back.`,
  );
}

/** The files of a part by the SHA-256 of their bytes, with their classes; null where two of the same bytes have other classes. */
function filesOf({ files }: JsonObject, part: 'train' | 'valid'): Map<string, number | null> {
  const list: JsonValue = (isJsonObject(files) ? files[part] : undefined) ?? [];
  const found = new Map<string, number | null>();
  for (const file of Array.isArray(list) ? list : []) {
    const { sha256, label } = isJsonObject(file) ? file : {};
    if (typeof sha256 !== 'string' || typeof label !== 'number') continue;
    found.set(sha256, found.has(sha256) && found.get(sha256) !== label ? null : label);
  }
  return found;
}

function ownLabels(dataset: JsonObject): Map<string, number> {
  const [train, valid] = [filesOf(dataset, 'train'), filesOf(dataset, 'valid')];
  const known = [...train, ...valid].flatMap(([sha256, label]): [string, number][] => {
    const agreed = [train, valid].every((part) => !part.has(sha256) || part.get(sha256) === label);
    return label !== null && agreed ? [[sha256, label]] : [];
  });
  return new Map(known);
}
