import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { CheckedImage } from '../data/check/check-folder.js';
import type { ImageFolder } from '../data/folder/image-folder.js';
import type { Settings } from '../config/settings.js';
import { UsageError } from '../errors.js';
import { openRunClassifier, predict, type RunClassifier } from '../predict/predict.js';
import { type DoubtfulLabels, type LabelDoubt, type Prediction, RUN_FILES } from '../runs/documents.js';
import { isJsonObject, type JsonObject } from '../runs/json.js';
import { readRun } from '../runs/read-run.js';
import type { BenchContext } from '../workbench/bench.js';

/** What a check works with. */
export interface DataCheckRequest extends BenchContext {
  readonly settings: Settings;
  /** Starts what computes; called only where a run is to look at images. */
  readonly startBackend: () => Promise<unknown>;
}

/** A run that has an opinion on images: of those that it was validated with, on the record. */
interface Judge {
  readonly run: string;
  /** What its best model said, by the SHA-256 of the image's file. */
  readonly said: ReadonlyMap<string, Prediction>;
  /** Its best validation accuracy. */
  readonly accuracy: number;
}

/** Reads the runs that are to judge labels. Throws UsageError where one is no run, has no predictions, or knows other classes. */
export async function readJudges(runs: readonly string[], classNames: readonly string[]): Promise<Judge[]> {
  const judges: Judge[] = [];
  for (const run of runs) {
    const { dataset, predictions, epochs } = await readRun(run);
    const classes = Array.isArray(dataset['classes']) ? dataset['classes'].map(String) : [];
    if (classes.join('\n') !== classNames.join('\n')) {
      throw new UsageError(
        `${run} knows ${listed(classes)}, but the folder has ${listed(classNames)}: it cannot judge these images. ` +
          'Expected a run of the same classes; name one that was trained on this folder.',
      );
    }
    if (predictions === null) {
      throw new UsageError(
        `${run} holds no predictions: it was interrupted or failed before its first epoch was over. Go on with it, or name another run.`,
      );
    }
    const hashes = hashesOf(dataset);
    const said = new Map(
      predictions.flatMap(({ image, best }): [string, Prediction][] => {
        const sha256 = hashes.get(image);
        return sha256 === undefined ? [] : [[sha256, best]];
      }),
    );
    judges.push({ run, said, accuracy: Math.max(...epochs.map(({ validAccuracy }) => validAccuracy)) });
  }
  return judges;
}

/** Classes that a message names. */
const NAMED = 6;

function listed(classes: readonly string[]): string {
  const more = classes.length > NAMED ? ` and ${classes.length - NAMED} more` : '';
  return `the classes ${classes.slice(0, NAMED).join(', ')}${more}`;
}

/** The hash of every validation image, as dataset.json has it. */
function hashesOf({ files }: JsonObject): Map<string, string> {
  const valid = isJsonObject(files) ? files['valid'] : null;
  return new Map(
    (Array.isArray(valid) ? valid : []).flatMap((file): [string, string][] => {
      const { path, sha256 } = isJsonObject(file) ? file : {};
      return typeof path === 'string' && typeof sha256 === 'string' ? [[path, sha256]] : [];
    }),
  );
}

/**
 * Images that runs take for another class: of those that they were validated with by what they recorded, where most of the
 * runs are wrong; of all others by one pass of the best run's model. Images are known by their bytes, wherever they lie.
 * Throws UsageError where a run knows none of the images, RunError where the device fails.
 */
export async function doubtfulLabels(
  judges: readonly Judge[],
  folder: ImageFolder,
  images: readonly CheckedImage[],
  { settings, emit, signal, startBackend }: DataCheckRequest,
): Promise<DoubtfulLabels> {
  for (const { run, said } of judges) {
    if (images.some(({ sha256 }) => said.has(sha256))) continue;
    throw new UsageError(
      `${run} was validated with none of the images in ${folder.root}: it cannot judge them. ` +
        'Expected a run on this folder; name another, or check the folder of that one.',
    );
  }
  const judged = images.filter(({ sha256 }) => judges.some(({ said }) => said.has(sha256)));
  const others = images.filter(({ sha256 }) => !judges.some(({ said }) => said.has(sha256)));
  const valid = judged.flatMap((image) => recordedDoubt(image, judges, folder.classNames));

  const able = judges.filter(({ run }) => existsSync(join(run, RUN_FILES.model, 'model.json')));
  const [best] = able.toSorted((a, b) => b.accuracy - a.accuracy);
  if (best === undefined) {
    emit({ type: 'note', text: 'no run has a model yet, so the training images were not judged' });
  }
  const train: LabelDoubt[] = [];
  if (best !== undefined && others.length > 0) {
    const classifier = await openRunClassifier(best.run, 'best');
    await startBackend();
    const byPath = new Map(others.map((image) => [join(folder.root, image.path), image]));
    const listed = [...byPath].map(([path, { label }]) => ({ path, label }));
    let done = 0;
    for await (const { classified } of predict(classifier, listed, {
      workers: settings.workers ?? availableParallelism(),
      signal,
    })) {
      for (const { path, probabilities } of classified) {
        const image = byPath.get(path);
        if (image !== undefined) train.push(...computedDoubt(image, probabilities, classifier));
      }
      done += classified.length;
      emit({ type: 'decode', done, total: listed.length });
    }
    signal.throwIfAborted();
  }
  return {
    ...{ runs: judges.map(({ run }) => run), model: best?.run ?? null },
    judged: { valid: judged.length, train: best === undefined ? 0 : others.length },
    ...{ valid: valid.sort(byLoss), train: train.sort(byLoss) },
  };
}

function byLoss(a: LabelDoubt, b: LabelDoubt): number {
  return b.loss - a.loss || (a.path < b.path ? -1 : 1);
}

/**
 * Of a wrong answer with probability p the record has no more: the true class had at most p and at most 1 - p.
 * Empty unless more than half of the runs are wrong.
 */
function recordedDoubt(
  image: CheckedImage,
  judges: readonly Judge[],
  classNames: readonly string[],
): LabelDoubt[] {
  const answers = judges.flatMap(({ said }) => said.get(image.sha256) ?? []);
  const wrong = answers.filter(({ predicted }) => predicted !== image.label);
  const votes = new Map<number, number>();
  for (const { predicted } of wrong) votes.set(predicted, (votes.get(predicted) ?? 0) + 1);
  const [most] = [...votes].sort(([a, m], [b, n]) => n - m || a - b);
  if (most === undefined || 2 * wrong.length <= answers.length) return [];
  const sure = wrong.filter(({ predicted }) => predicted === most[0]);
  const ofTruth = ({ predicted, probability }: Prediction) =>
    predicted === image.label ? probability : Math.min(probability, 1 - probability);
  return [
    doubt(image, classNames, {
      predicted: most[0],
      probability: mean(sure.map(({ probability }) => probability)),
      loss: mean(answers.map((answer) => crossEntropy(ofTruth(answer)))),
      ...{ wrong: wrong.length, runs: answers.length },
    }),
  ];
}

function computedDoubt(
  image: CheckedImage,
  probabilities: Float64Array,
  { classNames }: RunClassifier,
): LabelDoubt[] {
  const probability = Math.max(...probabilities);
  const predicted = probabilities.indexOf(probability);
  if (predicted === image.label) return [];
  const loss = crossEntropy(probabilities[image.label] ?? 0);
  return [doubt(image, classNames, { predicted, probability, loss, wrong: 1, runs: 1 })];
}

function doubt(
  { path, label, part, sha256 }: CheckedImage,
  classNames: readonly string[],
  {
    predicted,
    ...numbers
  }: { readonly predicted: number } & Pick<LabelDoubt, 'probability' | 'loss' | 'wrong' | 'runs'>,
): LabelDoubt {
  const says = classNames[predicted] ?? '';
  return { path, class: classNames[label] ?? '', part, sha256, says, ...numbers };
}

/** Probabilities that came out as 0 have a loss that JSON can hold. */
function crossEntropy(probability: number): number {
  return -Math.log(Math.max(probability, Number.MIN_VALUE));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
