import { counted } from '../printable.js';
import { classAverages, type Confusion, confusionOf } from '../stats/classes.js';
import { checkpointPath, peekHeader, readCheckpoint } from './checkpoint.js';
import {
  type BestEpoch,
  type EpochRecord,
  type PredictionRecord,
  RUN_FILES,
  type RunRecord,
} from './documents.js';
import { environmentsOf, placeOf } from './environments.js';
import { asJson, isJsonObject, type JsonObject, type JsonValue, runKey, sameJson } from './json.js';
import { type Lines, offsetsOf } from './jsonl.js';

/** Whether an epoch beats the best one so far. */
export function isBetter(record: EpochRecord, best: BestEpoch | null): boolean {
  if (best === null || record.correct !== best.correct) return record.correct > (best?.correct ?? -1);
  return record.validLoss < best.validLoss;
}

/** An epoch without its time and its training. */
export function epochSummary(record: EpochRecord): BestEpoch {
  const { epoch, validAccuracy, correct, total, validLoss, balancedAccuracy, macroF1 } = record;
  return {
    ...{ epoch, validAccuracy, correct, total, validLoss },
    ...(balancedAccuracy !== undefined && { balancedAccuracy }),
    ...(macroF1 !== undefined && { macroF1 }),
  };
}

/** The best and the last of a run's epochs; null where none was finished. */
export function bestAndFinal(epochs: readonly EpochRecord[]): Record<'best' | 'final', BestEpoch | null> {
  const first = epochs[0];
  const best = first && epochs.reduce((found, epoch) => (isBetter(epoch, found) ? epoch : found), first);
  const final = epochs.at(-1);
  return { best: best ? epochSummary(best) : null, final: final ? epochSummary(final) : null };
}

/** As `bestAndFinal`, with what an older version did not record of the classes, as far as the predictions tell. */
export function bestAndFinalByClass(run: PredictedRun): Record<'best' | 'final', BestEpoch | null> {
  const found = bestAndFinal(run.epochs);
  const whole = (which: 'best' | 'final'): BestEpoch | null => {
    const epoch = found[which];
    const counts = confusionOfRun(run, which);
    return epoch === null || counts === null ? epoch : { ...classAverages(counts), ...epoch };
  };
  return { best: whole('best'), final: whole('final') };
}

type PredictedRun = Pick<RunRecord, 'epochs' | 'predictions' | 'dataset' | 'result'>;

/**
 * What a run took for what, after its last epoch or with the weights of its best. Null where no predictions were recorded, or they
 * are not of that epoch: the run has gone on since, and perhaps a power cut has brought them back.
 */
export function confusionOfRun(
  { epochs, predictions, dataset, result }: PredictedRun,
  which: 'best' | 'final',
): Confusion | null {
  const classes = listOf(dataset['classes'])?.length ?? 0;
  if (predictions === null || predictions.length === 0 || classes === 0 || result === null) return null;
  const judged = predictions.map((line) => ({ label: line.label, predicted: line[which].predicted }));
  const right = judged.filter(({ label, predicted }) => label === predicted).length;
  return right === bestAndFinal(epochs)[which]?.correct ? confusionOf(judged, classes) : null;
}

/** Losses are sums that are told again in another order of additions. */
const ROUNDING = 1e-9;

/**
 * What a run's files say against each other, each in half a sentence; none where they can be of one run. What an earlier
 * version did not record is not missed. Of a run that has not ended some may be ahead of the others.
 */
export function contradictions(record: RunRecord): string[] {
  const facts = factsOf(record);
  return [
    ...aboutSettings(record),
    ...aboutSteps(record, facts),
    ...aboutEpochs(record, facts),
    ...(record.status === 'completed' ? aboutPredictions(record, facts) : []),
  ];
}

/** Numbers that configuration and data settle; undefined where they are not recorded. */
interface Facts {
  readonly train: number | undefined;
  readonly valid: readonly JsonObject[] | undefined;
  readonly classes: number | undefined;
  readonly batchSize: number | undefined;
  readonly stepsPerEpoch: number | undefined;
  /** Epochs that are planned. */
  readonly planned: number | undefined;
}

function factsOf({ config, dataset }: RunRecord): Facts {
  const { train, valid } = isJsonObject(dataset['files']) ? dataset['files'] : {};
  const { batchSize, epochs } = config;
  const images = listOf(train)?.length;
  const size = typeof batchSize === 'number' && batchSize >= 1 ? batchSize : undefined;
  return {
    train: images,
    valid: listOf(valid)?.map((file) => (isJsonObject(file) ? file : {})),
    classes: listOf(dataset['classes'])?.length,
    batchSize: size,
    stepsPerEpoch:
      images === undefined || images === 0 || size === undefined ? undefined : Math.ceil(images / size),
    planned: typeof epochs === 'number' ? epochs : undefined,
  };
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

/** config.json and dataset.json against what result.json repeats of them. */
function aboutSettings({ config, dataset, events, result }: RunRecord): string[] {
  if (result === null) return [];
  const told: string[] = [];
  const { config: used, dataset: data } = result;
  if (isJsonObject(used)) {
    const names = [...new Set([...Object.keys(used), ...Object.keys(config)])];
    const other = names.filter((name) => !same(used[name], config[name]));
    told.push(
      ...other.map(
        (name) => `config.json says ${name} ${shown(config[name])}, result.json ${shown(used[name])}`,
      ),
    );
  }
  if (isJsonObject(data)) {
    // What is skipped beside the images of the run may change between its parts.
    const other = Object.keys(data).filter((name) => name !== 'skipped' && !same(data[name], dataset[name]));
    told.push(...other.map((name) => `dataset.json and result.json differ in ${name}`));
  }
  const recorded = listOf(result['events']);
  if (recorded !== undefined && !sameJson(recorded, events as unknown as JsonValue)) {
    told.push(`events.jsonl holds other events than result.json`);
  }
  return told;
}

function aboutSteps({ steps, epochs, status }: RunRecord, { stepsPerEpoch }: Facts): string[] {
  const each = (step: number) =>
    stepsPerEpoch === undefined ? undefined : 1 + Math.floor(step / stepsPerEpoch);
  const astray = steps.find(({ step, epoch }, i) => {
    const before = steps[i - 1]?.epoch ?? 1;
    return epoch !== (each(step) ?? epoch) || epoch < before || epoch > before + 1;
  });
  if (astray !== undefined) {
    const expected = each(astray.step);
    const where =
      expected === undefined ? '' : `, and with ${stepsPerEpoch} steps an epoch it is in epoch ${expected}`;
    return [`steps.jsonl has step ${astray.step} in epoch ${astray.epoch}${where}`];
  }
  if (status !== 'completed') return [];
  const expected = stepsPerEpoch === undefined ? undefined : epochs.length * stepsPerEpoch;
  if (expected !== undefined && steps.length !== expected) {
    return [
      `steps.jsonl holds ${counted(steps.length, 'step')}, and the ${counted(epochs.length, 'epoch')} of epochs.jsonl ${epochs.length === 1 ? 'has' : 'have'} ${expected}`,
    ];
  }
  const last = steps.at(-1)?.epoch ?? 0;
  if (last === epochs.length) return [];
  return [`steps.jsonl ends in epoch ${last}, and epochs.jsonl holds ${counted(epochs.length, 'epoch')}`];
}

function aboutEpochs(record: RunRecord, facts: Facts): string[] {
  const { epochs, result, status } = record;
  const told = epochs.flatMap((epoch) => aboutEpoch(epoch, record, facts));
  if (result === null) return told;
  const { epochs: repeated, best, final } = result;
  const all = listOf(repeated);
  // It had gone on, and a power cut has brought its earlier result back.
  const wentOn = status === 'interrupted' && all !== undefined && epochs.length > all.length;
  if (all !== undefined && all.length !== epochs.length && !wentOn) {
    told.push(`epochs.jsonl holds ${counted(epochs.length, 'epoch')}, result.json ${all.length}`);
  } else if (all !== undefined) {
    const other = epochs.slice(0, all.length).find((epoch, i) => !same(all[i], asJson(epoch)));
    if (other !== undefined) told.push(`epoch ${other.epoch} is another in epochs.jsonl than in result.json`);
  }
  const { planned } = facts;
  const cut = isJsonObject(result['stoppedEarly']);
  if (
    status === 'completed' &&
    planned !== undefined &&
    (cut ? epochs.length > planned : epochs.length !== planned)
  ) {
    told.push(
      `result.json says completed, and epochs.jsonl holds ${epochs.length} of ${counted(planned, 'epoch')}`,
    );
  }
  if (wentOn) return told;
  const found = bestAndFinal(epochs);
  const pairs = [
    ['final', final, found.final],
    ['best', best, found.best],
  ] as const;
  for (const [name, said, epoch] of pairs) {
    if (said === undefined || same(said, epoch === null ? null : asJson(epoch))) continue;
    told.push(
      `the ${name} epoch of result.json is not the ${name === 'final' ? 'last' : 'best'} of epochs.jsonl`,
    );
  }
  return told;
}

function aboutEpoch(
  { epoch, trainLoss, validAccuracy, correct, total }: EpochRecord,
  { steps, result }: RunRecord,
  { valid, train, batchSize, stepsPerEpoch }: Facts,
): string[] {
  const told: string[] = [];
  if (valid !== undefined && valid.length > 0 && total !== valid.length) {
    told.push(
      `epoch ${epoch} was judged on ${counted(total, 'image')}, and dataset.json lists ${valid.length} for validation`,
    );
  }
  if (Math.abs(validAccuracy - correct / total) > ROUNDING) {
    told.push(
      `epoch ${epoch} has an accuracy of ${validAccuracy} with ${correct} of ${counted(total, 'image')} right`,
    );
  }
  if (train === undefined || batchSize === undefined || stepsPerEpoch === undefined) return told;
  const own = steps.slice((epoch - 1) * stepsPerEpoch, epoch * stepsPerEpoch);
  if (own.length < stepsPerEpoch) {
    return result === null ? told : [...told, `steps.jsonl ends before epoch ${epoch} of epochs.jsonl does`];
  }
  const sum = own.reduce(
    (before, { loss }, i) => before + loss * Math.min(batchSize, train - i * batchSize),
    0,
  );
  if (Math.abs(sum / train - trainLoss) > ROUNDING * Math.max(1, Math.abs(trainLoss))) {
    told.push(`epoch ${epoch} has a training loss of ${trainLoss}, its steps have one of ${sum / train}`);
  }
  return told;
}

function aboutPredictions({ predictions, epochs }: RunRecord, { valid, classes }: Facts): string[] {
  const { final: last, best: top } = bestAndFinal(epochs);
  if (last === null || top === null) return [];
  if (predictions === null) return [`result.json says completed, and ${RUN_FILES.predictions} is missing`];
  if (predictions.length !== last.total) {
    return [
      `predictions.jsonl holds ${counted(predictions.length, 'image')}, and the epochs were judged on ${last.total}`,
    ];
  }
  const other = valid?.find(({ path, label }, i) => {
    const line = predictions[i];
    return line?.image !== path || (label !== undefined && line?.label !== label);
  });
  if (other !== undefined) {
    return [
      `predictions.jsonl does not list the validation images of dataset.json as they are: ${shown(other['path'])}`,
    ];
  }
  const images = new Set(predictions.map(({ image }) => image));
  if (images.size !== predictions.length) return ['predictions.jsonl lists an image twice'];
  const beyond = predictions.find(({ label, final, best }) =>
    [label, final.predicted, best.predicted].some((index) => index >= (classes ?? Infinity)),
  );
  if (beyond !== undefined) return [`predictions.jsonl has a class for ${beyond.image} that there is not`];
  const right = (which: 'final' | 'best') =>
    predictions.filter((line: PredictionRecord) => line[which].predicted === line.label).length;
  const parts = [
    ['final', last],
    ['best', top],
  ] as const;
  return parts.flatMap(([which, { epoch, correct, ...told }]) => {
    if (right(which) !== correct) {
      return [
        `predictions.jsonl has ${right(which)} right with the ${which} weights, epoch ${epoch} of epochs.jsonl ${correct}`,
      ];
    }
    const counts =
      classes === undefined
        ? null
        : confusionOf(
            predictions.map((line) => ({ label: line.label, predicted: line[which].predicted })),
            classes,
          );
    const found = counts === null ? undefined : classAverages(counts);
    return (['balancedAccuracy', 'macroF1'] as const).flatMap((name) => {
      const value = told[name];
      if (value === undefined || found === undefined || Math.abs(value - found[name]) <= ROUNDING) return [];
      return [`epoch ${epoch} has a ${name} of ${value}, its predictions one of ${found[name]}`];
    });
  });
}

/**
 * The record that a checkpoint belongs to, for its header: configuration, the environments of all parts, and the images.
 */
export function checkpointRecord({
  config,
  environment,
  dataset,
}: Pick<RunRecord, 'config' | 'environment' | 'dataset'>): JsonObject {
  return {
    config,
    environments: environmentsOf({ environment, result: null }).map(placeOf),
    dataset: datasetKey(dataset),
  };
}

/** A data set's key, made once for each document: the list may be long. */
function datasetKey(dataset: JsonObject): string {
  let key = datasetKeys.get(dataset);
  if (key === undefined) datasetKeys.set(dataset, (key = runKey(dataset)));
  return key;
}

const datasetKeys = new WeakMap<JsonObject, string>();

/**
 * What a run's files say against the header of one of its checkpoints, each in half a sentence.
 * @param made the replans of the configuration that the checkpoint knows; later ones may have been planned after it
 */
export function againstCheckpoint(record: RunRecord, header: JsonValue, made: number): string[] {
  const { record: known } = isJsonObject(header) ? header : {};
  if (!isJsonObject(known)) return [];
  const told: string[] = [];
  const { config, environments, dataset } = known;
  const now = configBefore(record.config, made);
  const then = isJsonObject(config) ? config : {};
  for (const name of new Set([...Object.keys(then), ...Object.keys(now)])) {
    // Where data and weights lie may change; their hashes may not.
    if (name === 'data' || name === 'weights' || same(then[name], now[name])) continue;
    told.push(`config.json says ${name} ${shown(now[name])}, the checkpoint ${shown(then[name])}`);
  }
  const parts = listOf(environments) ?? [];
  const { environment, result } = record;
  const all = environmentsOf({ environment, result: null }).map(placeOf);
  // A part that has taken no step yet is in environment.json alone.
  const computed = all.slice(0, parts.length);
  if (!sameJson(parts, computed))
    told.push(`environment.json says ${unlike(computed, parts, 'the checkpoint')}`);
  // Versions whose checkpoints name the record say the same in both.
  const last = result?.['environment'];
  const ended = isJsonObject(last) ? environmentsOf({ environment: last, result: null }).map(placeOf) : all;
  if (!sameJson(ended, all)) told.push(`environment.json says ${unlike(all, ended, 'result.json')}`);
  if (dataset !== datasetKey(record.dataset))
    told.push('dataset.json is not the one that the checkpoint counts on');
  return told;
}

/**
 * What the files of a run that has ended say against its last checkpoint, where that is there and whole. Of a run that is not completed
 * they may hold more: of a network that overflows none is made.
 */
export async function againstLastCheckpoint(
  record: RunRecord,
  { steps, epochs }: { readonly steps: Lines; readonly epochs: Lines },
): Promise<string[]> {
  const header = await peekHeader(record.dir, 'last');
  const told = againstCheckpoint(record, header, Infinity);
  const offsets = offsetsOf(header);
  const { sha256 } = offsets ?? {};
  if (offsets !== undefined && sha256 !== undefined) {
    const files = [
      [RUN_FILES.steps, steps, offsets.steps, sha256.steps],
      [RUN_FILES.epochs, epochs, offsets.epochs, sha256.epochs],
    ] as const;
    for (const [name, lines, bytes, digest] of files) {
      if (lines.bytes === bytes && lines.sha256 === digest) continue;
      if (lines.bytes > bytes && record.status !== 'completed') continue;
      told.push(`${name} is not the one that ${checkpointPath('', 'last')} counts on`);
    }
  }
  if (told.length === 0) return told;
  // Only a whole checkpoint is a witness.
  return readCheckpoint(record.dir, 'last').then(
    () => told,
    () => [],
  );
}

/** In what two lists of environments differ first, as in «backend "cpu", the checkpoint "wasm"». */
function unlike(found: readonly JsonValue[], known: readonly JsonValue[], other: string): string {
  for (const [i, part] of found.entries()) {
    const [own, its] = [part, known[i]].map((value) => (isJsonObject(value) ? value : {}));
    const names = new Set([...Object.keys(own ?? {}), ...Object.keys(its ?? {})]);
    const name = [...names].find((key) => !same(own?.[key], its?.[key]));
    if (name !== undefined) return `${name} ${shown(own?.[name])}, ${other} ${shown(its?.[name])}`;
  }
  return `${counted(found.length, 'part')} of the run, ${other} ${known.length}`;
}

/** A configuration as it was before all but its first replans. */
function configBefore(config: JsonObject, made: number): JsonObject {
  const replans = listOf(config['replans']) ?? [];
  const next = replans[made];
  if (!isJsonObject(next)) return config;
  const kept = Object.entries(config).filter(([name]) => made > 0 || name !== 'replans');
  const before = Object.fromEntries(kept);
  const own = made > 0 ? { replans: replans.slice(0, made) } : {};
  return { ...before, ...own, epochs: next['fromEpochs'] ?? null };
}

function same(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameJson(a, b);
}

/** Characters of a value that a message shows. */
const SHOWN = 100;

function shown(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text;
}
