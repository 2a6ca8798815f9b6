import type { CommandName } from '../config/options.js';
import type {
  ClassesConfig,
  FinderConfig,
  LossConfig,
  NetworkConfig,
  RateSource,
  RunConfig,
} from '../config/run-config.js';
import type { Settings } from '../config/settings.js';
import type { LabelsRecord, SkippedFile } from '../data/folder/image-folder.js';
import type { Arithmetic, BackendInfo, BackendName } from '../engine/backends/backend-info.js';
import type { Spread } from '../stats/claim-power.js';
import type { ClassScore } from '../stats/classes.js';
import type { CrossedDifference, VarianceShares } from '../stats/crossed.js';
import type { PairedDifference } from '../stats/difference.js';
import type { BootstrapInterval, Summary } from '../stats/intervals.js';
import type { RangeCurve } from '../stats/range/curve.js';
import type { Recommendation } from '../stats/range/recommend.js';
import type { SuggestionSpreads } from '../stats/range/suggestions.js';
import type { SuperConvergence, TimesSummary } from '../stats/times.js';
import type { RatesBehind, VerdictKind } from '../stats/verdict.js';
import type { JsonObject, JsonValue } from './json.js';

// Every document that the program writes or prints: run folders, results, JSON on stdout. Writers, readers and pages use these types.

// Shared by all documents

/** The version of the record: of the names in a run's folder and of the JSON documents. */
export const SCHEMA_VERSION = 1;

/** Where a run was computed: versions, backend, device and cores, as environment.json holds it. */
export interface Environment {
  readonly onecycle: string;
  readonly node: string;
  readonly platform: string;
  readonly backend: string;
  readonly device: string;
  /** Of a graphics card, where it tells; null elsewhere. */
  readonly driver: string | null;
  /** Of wasm: how a product is added to a sum; null elsewhere. */
  readonly arithmetic: Arithmetic | null;
  readonly cores: number;
  /** Runs that were trained side by side, in comparisons. */
  readonly jobs?: number;
  readonly cpu: string;
  readonly versions: Readonly<Record<string, string>>;
  /** The command as a shell reads it, and when it was given (ISO 8601); absent in older records. */
  readonly commandLine?: string;
  readonly startedAt?: string;
}

/** Where a run was computed, and how its batches were cut. */
export interface RunEnvironment extends Environment {
  readonly workers: number;
  readonly sliceSize: number;
}

/** The environment of a part of a run, from the step `fromStep` on; null where an old record does not say it. */
export interface PartEnvironment extends RunEnvironment {
  readonly fromStep: number | null;
}

/** What environment.json and result.json say: the newest environment and, where a run was resumed in another one, all of them. */
export interface RecordedEnvironment extends RunEnvironment {
  /** Oldest first, the last one equal to the top level; absent where there was only one. */
  readonly history?: readonly PartEnvironment[];
}

/** The data in short, as every JSON document holds it. */
export interface DatasetSummary {
  readonly classes: readonly string[];
  readonly train: number;
  readonly valid: number;
  /** Images of each class, in the order of `classes`. */
  readonly counts: readonly { readonly class: string; readonly train: number; readonly valid: number }[];
  readonly skipped: readonly SkippedFile[];
}

/** dataset.json: the data, every file with its hash, and the hash of the weights that training started from. */
export interface DatasetDocument extends DatasetSummary {
  readonly weightsSha256: string;
  readonly files: Readonly<Record<'train' | 'valid', readonly RecordedFile[]>>;
  /** The table that said which image is of which class when the run began; absent where folders did. */
  readonly labels?: LabelsRecord;
}

/** An image as dataset.json names it: its path in the data folder, the index of its class, and the SHA-256 of its bytes. */
export interface RecordedFile {
  readonly path: string;
  readonly label: number;
  readonly sha256: string;
}

/** What a configuration means that says nothing of its classes, its network or its class weights, as those of older versions do not. */
export const WITHOUT_RECORD = {
  labels: null,
  classDepth: 1,
  batchNorm: 'fold',
  bnMomentum: null,
  stemStride: 2,
  alpha: null,
  classWeights: 'none',
} as const satisfies ClassesConfig & NetworkConfig & LossConfig;

// A run of train

/** Where things lie in a run's folder. */
export const RUN_FILES = {
  config: 'config.json',
  environment: 'environment.json',
  dataset: 'dataset.json',
  steps: 'steps.jsonl',
  epochs: 'epochs.jsonl',
  events: 'events.jsonl',
  predictions: 'predictions.jsonl',
  result: 'result.json',
  checkpoints: 'checkpoints',
  model: 'model',
} as const;

/** One mini-batch, as it lies in steps.jsonl. Rates are those that the update of the weights used. */
export interface StepRecord {
  /** Counts from 0 over the whole run. */
  readonly step: number;
  /** Counts from 1. */
  readonly epoch: number;
  /** The backbone's rate; under `--trainable head` the head's own. */
  readonly learningRate: number;
  readonly momentum: number;
  /** Mean training loss of the batch, label smoothing included. */
  readonly loss: number;
}

/** One epoch, as it lies in epochs.jsonl. */
export interface EpochRecord {
  /** Counts from 1. */
  readonly epoch: number;
  readonly trainLoss: number;
  /** Cross-entropy without label smoothing, mean over the validation images. */
  readonly validLoss: number;
  readonly validAccuracy: number;
  readonly correct: number;
  readonly total: number;
  /** Mean of the classes' recalls and of their F1; absent in records of versions that did not tell. */
  readonly balancedAccuracy?: number;
  readonly macroF1?: number;
  /** Wall-clock seconds of this epoch, training and evaluation. */
  readonly seconds: number;
}

/** What the network says about one validation image. */
export interface Prediction {
  readonly predicted: number;
  /** Softmax probability of the predicted class. */
  readonly probability: number;
}

/** What the network says about one validation image, as it lies in predictions.jsonl. */
export interface PredictionRecord {
  /** Relative to the data folder. */
  readonly image: string;
  /** Index of the true class. */
  readonly label: number;
  /** After the last epoch, and with the weights of the best one. */
  readonly final: Prediction;
  readonly best: Prediction;
}

/**
 * What changed the course of a run, as it lies in events.jsonl: without it steps.jsonl could not be explained by
 * config.json alone. The file is there only where something happened.
 */
export interface RunEvent {
  /**
   * `early-stop`: validation stopped improving; `extended`: `--extend-to`; `backend`: resumed on another one;
   * `environment`: resumed with another version, arithmetic or slice size.
   */
  readonly type: 'early-stop' | 'extended' | 'backend' | 'environment';
  /** The first step that it concerns, from 0. */
  readonly step: number;
  /** The last finished epoch by then. */
  readonly epoch: number;
  /** A sentence for the user. */
  readonly text: string;
}

/**
 * The best epoch so far: highest validation accuracy, then lowest validation loss, then the earliest. Its model is kept, whatever a
 * later comparison asks for.
 */
export type BestEpoch = Pick<
  EpochRecord,
  'epoch' | 'validAccuracy' | 'correct' | 'total' | 'validLoss' | 'balancedAccuracy' | 'macroF1'
>;

/** Where a run diverged: the step, and the rates that it was made with. */
export interface Divergence {
  readonly step: number;
  readonly epoch: number;
  readonly learningRate: number;
  readonly momentum: number;
  readonly message: string;
}

/**
 * What happens to an image before the network sees it, in this order, as a model's preprocessing.json holds it: decoding,
 * shrinking where it is large, cropping, resizing, scaling.
 */
export interface Preprocessing {
  readonly schemaVersion: number;
  /** What the network takes: [batch, height, width, channels]. */
  readonly input: {
    readonly layout: 'NHWC';
    readonly height: number;
    readonly width: number;
    readonly channels: 'RGB';
    readonly type: 'float32';
  };
  /** Upright by EXIF, transparency on the background. */
  readonly decode: {
    readonly orientation: 'EXIF';
    readonly background: string;
    readonly colours: 'sRGB';
    readonly bitsPerChannel: 8;
  };
  /** An image whose short side is longer is shrunk to it, proportions kept; others keep their size. */
  readonly shrink: { readonly shortSide: number; readonly method: 'lanczos3'; readonly enlarge: false };
  /** Of longer images the centre is kept. */
  readonly keep: { readonly longSideOverShort: number; readonly position: 'centre' };
  /** A square of whole pixels; its offsets are rounded down. */
  readonly crop: {
    readonly shape: 'square';
    readonly position: 'centre';
    readonly shareOfShortSide: { readonly shrunk: number; readonly notShrunk: number };
  };
  /** With aligned corners: the first and the last sample lie on the square's first and last pixel. */
  readonly resize: {
    readonly height: number;
    readonly width: number;
    readonly method: 'bilinear';
    readonly alignCorners: true;
  };
  /** Of each value from 0 to 255: value * multiply + add. */
  readonly scale: { readonly multiply: number; readonly add: number };
  /** In the order of the outputs. */
  readonly classes: readonly string[];
}

/** How a run ended; further keys are the caller's. */
export interface RunResult {
  readonly status: 'completed' | 'interrupted' | 'failed';
}

/** `train`'s JSON document, which is also the run's result.json. */
export interface TrainDocument {
  readonly schemaVersion: number;
  readonly command: 'train';
  readonly status: RunResult['status'];
  readonly run: string;
  readonly policy: RunConfig['policy'];
  readonly config: RunConfig;
  readonly environment: RecordedEnvironment;
  readonly dataset: DatasetSummary;
  readonly seconds: number;
  readonly epochs: readonly EpochRecord[];
  /** Null where no epoch was finished. */
  readonly best: BestEpoch | null;
  readonly final: BestEpoch | null;
  /** Class by class after the last epoch; null where none was finished, absent in records of versions that did not tell. */
  readonly perClass?: readonly ClassScore[] | null;
  /** SHA-256 of model/weights.bin, in hex; null where no epoch was finished, absent in records of versions that did not tell. */
  readonly modelSha256?: string | null;
  readonly failure: Divergence | null;
  /** Null where the run took all its planned steps, or has not ended. */
  readonly stoppedEarly: { readonly epoch: number; readonly reason: string } | null;
  /** What changed the run's course, as in events.jsonl. */
  readonly events: readonly RunEvent[];
}

/** A run as it lies on the disk, finished or not. */
export interface RunRecord {
  readonly dir: string;
  readonly config: JsonObject;
  /** Holds schemaVersion besides what the run's writer gave. */
  readonly environment: JsonObject;
  readonly dataset: JsonObject;
  readonly steps: readonly StepRecord[];
  readonly epochs: readonly EpochRecord[];
  /** What changed the run's course; mostly none. */
  readonly events: readonly RunEvent[];
  /** Null until the run has ended. */
  readonly result: JsonObject | null;
  /** As the result says it; 'unfinished' where there is none: still running, or killed. */
  readonly status: RunResult['status'] | 'unfinished';
  /** Null where none were written. */
  readonly predictions: readonly PredictionRecord[] | null;
}

/** A run before it is trained: the resolved configuration and the rates of every step to come. */
export interface TrainPlan {
  readonly config: RunConfig;
  readonly stepsPerEpoch: number;
  /** Steps that a resumed run has taken already. */
  readonly trained: number;
  readonly steps: readonly Pick<StepRecord, 'step' | 'epoch' | 'learningRate' | 'momentum'>[];
}

/** What training takes on this machine, as some steps show that were made and thrown away. */
export interface TrainingCost {
  /** Of steps whose frozen features are still to be computed, and of later ones; equal where nothing is frozen. */
  readonly secondsPerStep: { readonly first: number; readonly later: number };
  /** How many of each were timed. */
  readonly timedSteps: number;
  readonly workers: number;
  /** Runs, or seeds of a range test, one after the other. */
  readonly runs: number;
  /** Of the first of them, which computes what the others share, and of all, in seconds; evaluations included. */
  readonly firstRun: number;
  readonly seconds: number;
  /** Most memory that this process held meanwhile, in bytes. */
  readonly memory: number;
}

/** What every `--dry-run` answers beside its schedules: where, on what, and what it takes. */
interface DryRun {
  readonly schemaVersion: number;
  readonly status: 'completed';
  readonly environment: Environment;
  readonly dataset: DatasetSummary;
  /** Since the program was started. */
  readonly seconds: number;
  readonly cost: TrainingCost;
}

/** What `train --dry-run` answers: nothing was trained. */
export interface TrainDryRun extends DryRun, TrainPlan {
  readonly command: 'train';
}

/** What `compare --dry-run` answers: the schedule of each arm, which is that of all its seeds. */
export interface CompareDryRun extends DryRun {
  readonly command: 'compare';
  readonly config: Settings;
  readonly arms: readonly TrainPlan[];
}

/** What `find-lr --dry-run` answers: the sweep of each seed. */
export interface FinderDryRun extends DryRun {
  readonly command: 'find-lr';
  readonly config: FinderConfig;
  readonly steps: readonly Pick<StepRecord, 'step' | 'learningRate' | 'momentum'>[];
}

// A range test

/** One line of curve.jsonl; losses that are no number are null. */
export interface CurveLine {
  readonly seed: number;
  readonly step: number;
  readonly learningRate: number;
  readonly loss: number | null;
  readonly smoothedLoss: number | null;
}

/** A seed's curve as JSON can hold it: losses that are no number are null. */
export type RecordedCurve = Omit<RangeCurve, 'points'> & {
  readonly points: readonly Omit<CurveLine, 'seed'>[];
};

/** What several range tests together say. */
export interface FoundRate extends Pick<Recommendation, 'recommended' | 'agreement'> {
  /** Of each seed that was begun; the last one is cut short where the test was interrupted. */
  readonly curves: readonly RangeCurve[];
  readonly suggestions: SuggestionSpreads;
  /** Why these rates are recommended; after a refusal what to change. */
  readonly reason: string;
}

/** `find-lr`'s JSON document, which is also its folder's result.json. */
export interface FinderDocument extends Omit<FoundRate, 'curves'> {
  readonly schemaVersion: number;
  readonly command: 'find-lr';
  readonly status: 'completed' | 'interrupted';
  readonly run: string;
  readonly config: FinderConfig;
  readonly environment: Environment & { readonly workers: number };
  readonly dataset: DatasetSummary;
  readonly seconds: number;
  readonly curves: readonly RecordedCurve[];
}

// A comparison

/** A number over an arm's seeds; null where no run finished. */
export type OverSeeds =
  Summary | { readonly mean: null; readonly sd: null; readonly low: null; readonly high: null };

/** A rate at which an arm was trained. */
export interface ArmRate {
  /** As config.json of its runs has it, the lowest where they differ; null where none of them has a folder. */
  readonly learningRate: number | null;
  /** The highest, where recorded runs of one arm differ in it; else absent. */
  readonly highestRate?: number;
  /** Over the arm's own rate: 1 but for the neighbours that --rates adds. */
  readonly factor: number;
  /** Where the arm's own rate is from; null in records of versions that did not tell, and where runs differ in it. */
  readonly source: RateSource | null;
  /** Over all runs that finished at this rate. */
  readonly finalAccuracy: OverSeeds;
  readonly balancedAccuracy: OverSeeds;
  readonly runs: number;
  readonly failed: number;
  /** Seeds that are compared at this rate: where there are several, the other seeds chose it. */
  readonly chosen: number;
}

/** What a comparison's differences, verdict, choice of rates and target are about: shares of all images, or of each class alike. */
export type Metric = 'accuracy' | 'balanced-accuracy';

/** One arm over its seeds, each at the rate that is compared. */
export interface ComparedArm {
  readonly policy: string;
  /** The lowest first; several where --rates added neighbours. */
  readonly rates: readonly ArmRate[];
  readonly runs: readonly {
    readonly run: string;
    readonly seed: number;
    readonly best: BestEpoch;
    readonly final: BestEpoch;
  }[];
  readonly bestAccuracy: OverSeeds;
  readonly finalAccuracy: OverSeeds;
  /** After the last epoch: the mean of the classes' recalls and of their F1; null where runs were recorded without predictions. */
  readonly balancedAccuracy: OverSeeds;
  readonly macroF1: OverSeeds;
  /** Recall, precision and F1 of each class over all its images under all seeds; null where predictions are missing. */
  readonly perClass: readonly ClassScore[] | null;
  readonly validLoss: OverSeeds;
  /** To the end of the first epoch whose evaluation stood at the target. */
  readonly stepsToTarget: TimesSummary | null;
  /** As stepsToTarget, in wall-clock seconds of training and evaluation. */
  readonly secondsToTarget: TimesSummary | null;
  readonly failed: readonly { readonly run: string; readonly seed: number; readonly reason: string }[];
}

/** Two runs of one seed on the same images. */
export interface SeedDifference {
  readonly seed: number;
  readonly difference: number;
  readonly onlyArm: number;
  readonly onlyBaseline: number;
  /** Of McNemar's exact test; of balanced accuracies, of the sign flips of the images that one alone got right. */
  readonly pValue: number;
}

/** An arm against the baseline after the last epoch, paired by seed. */
export interface ArmDifference {
  readonly arm: string;
  readonly baseline: string;
  readonly metric: 'finalAccuracy' | 'balancedAccuracy';
  /** arm - baseline, with its 95% interval over other seeds and, where `method` is `crossed`, other images. */
  readonly mean: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly pValue: number | null;
  /** After Holm's correction for the number of arms. */
  readonly adjustedPValue: number | null;
  /** `paired t` and `sign flip` are over seeds alone: predictions on common images are missing, or seeds are all alike. */
  readonly method: CrossedDifference['method'] | PairedDifference['method'];
  /** Of the interval's t distribution; null where there is no interval. */
  readonly degreesOfFreedom: number | null;
  /** What the interval's variance is made of; null where it is not over images too. */
  readonly varianceShares: VarianceShares | null;
  /** The mean difference with a bootstrap interval over images alone, as if no other seeds could have been drawn. */
  readonly overImages: BootstrapInterval | null;
  /** Images that one arm alone got right, seed by seed, with McNemar's exact p; for display. */
  readonly perSeed: readonly SeedDifference[];
}

/** What a comparison may say: a claim, or why there is none. */
export interface VerdictSummary {
  readonly kind: VerdictKind;
  /** What the compared rates rest on. */
  readonly rates: RatesBehind;
  /** The better arm's name, or `none`: no difference was shown, which is not «there is none». */
  readonly claim: string;
  /** What it comes to, in a few words, and the numbers behind that. */
  readonly title: string;
  readonly detail: string;
  /** Title and detail in one. */
  readonly sentence: string;
}

/** What `compare` concludes from recorded runs. */
export interface Comparison {
  readonly schemaVersion: number;
  readonly command: 'compare';
  readonly arms: readonly ComparedArm[];
  readonly differences: readonly ArmDifference[];
  /** The last arm against the first. */
  readonly difference: ArmDifference | null;
  readonly verdict: VerdictSummary;
  /** `note` is what the numbers leave open, in a sentence; empty where nothing. */
  readonly superConvergence: (SuperConvergence & { readonly note: string }) | null;
  readonly warnings: readonly string[];
}

/** What was compared, resolved from the records, so that reading runs tells the same as training them. */
export interface CompareConfig {
  readonly policies: readonly string[];
  /** The baseline's first seed, and how many there are. */
  readonly seed: number | null;
  readonly seeds: number;
  /** As given; null for the baseline's mean of what is compared. */
  readonly target: number | null;
  readonly metric: Metric;
  /** A rate for all arms, or one for each. */
  readonly lr: JsonValue;
  /** Settings in which the arms differ, by arm. */
  readonly perArm: Readonly<Record<string, JsonObject>>;
  /** And all settings that they share. */
  readonly [setting: string]: unknown;
}

/** `compare`'s JSON document. */
export interface CompareDocument extends Comparison {
  readonly status: RunResult['status'];
  readonly config: CompareConfig;
  /** Of this process where it trained, else that of the first run. */
  readonly environment: JsonObject;
  readonly dataset: JsonObject | null;
  readonly seconds: number;
  /** Most runs that were trained side by side. */
  readonly jobs: number;
  /** Whether runs used the cached features of the frozen part that another of them had computed. */
  readonly sharedFeatures: boolean;
}

// A plan of a comparison

/** One run of a plan. */
export interface PlannedCommand {
  readonly arm: string;
  readonly seed: number;
  /** A line for a shell. */
  readonly command: string;
  /** The folder that holds this run already, else null. */
  readonly recorded: string | null;
}

/** What a planned comparison will be able to show; accuracies as shares. */
export interface PlanPower {
  /** The true difference that is asked about. */
  readonly difference: number;
  readonly spread: Spread;
  /** Pairs of recorded runs that the spread was seen on; 0 where it is assumed. */
  readonly pairs: number;
  /** Pairs of recorded runs, also where they show no spread: one alone, or all with the same answers. */
  readonly recordedPairs: number;
  /** As planned, and the chance to show the difference with so many; null with one seed, which shows nothing. */
  readonly seeds: number;
  readonly chance: number | null;
  /** Seeds that show the difference 4 times in 5; null where 1,000 do not. */
  readonly seedsNeeded: number | null;
  /** Validation images below which no number of seeds shows the difference 4 times in 5. */
  readonly imagesNeeded: number;
}

/** How long the runs of a plan take. */
export interface PlanTime {
  /** Of one run, in seconds. */
  readonly secondsPerRun: number;
  /** What that is taken from: finished runs in --out, or some steps that were timed now. */
  readonly from: 'runs' | 'steps';
  /** How many of these. */
  readonly count: number;
  /** Threads that the steps were timed with; null where runs tell the time. */
  readonly workers: number | null;
  /** Runs that are still to be trained. */
  readonly missing: number;
  /** One after the other, in seconds. */
  readonly totalSeconds: number;
}

/** What `compare --plan` answers: nothing was trained. */
export interface ComparePlan {
  readonly schemaVersion: number;
  readonly command: 'compare';
  readonly status: 'completed';
  readonly config: Settings;
  readonly environment: Environment;
  readonly dataset: DatasetSummary;
  readonly seconds: number;
  readonly plan: {
    readonly runs: readonly PlannedCommand[];
    readonly power: PlanPower;
    readonly time: PlanTime;
    /** What compares the runs once they have come, for a shell. */
    readonly compare: string;
  };
}

// predict and export

/** A class and its probability. */
export interface RankedClass {
  readonly label: string;
  readonly probability: number;
}

/** One image, as a line of `predict --json`. */
export interface PredictionLine {
  /** As it was named, or found in a folder that was named. */
  readonly file: string;
  /** The most probable first. */
  readonly predictions: readonly RankedClass[];
}

/** The forms in which a model is exported. */
export type ExportFormat = 'tfjs' | 'onnx';

/** `export`'s JSON document. */
export interface ExportDocument {
  readonly schemaVersion: number;
  readonly command: 'export';
  readonly status: 'completed';
  readonly run: string;
  readonly format: ExportFormat;
  /** The folder that was written. */
  readonly to: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
}

// data check

/** An image of a data folder. */
export interface CheckedFile {
  /** Relative to the data folder. */
  readonly path: string;
  readonly class: string;
  readonly part: 'train' | 'valid';
}

/** An image of a data folder that can be read, and the SHA-256 of its file. */
export interface HashedFile extends CheckedFile {
  readonly sha256: string;
}

/** Images that show the same. */
export interface DuplicateImages {
  /** `exact`: all have the same bytes; `near`: some only look alike. */
  readonly kind: 'exact' | 'near';
  /** How well the least alike of those that were held against each other match, up to 1. */
  readonly similarity: number;
  /** Whether some are mirror images of others. */
  readonly mirrored: boolean;
  /** Whether training and validation images are among them: the validation then judges by what was learnt. */
  readonly acrossParts: boolean;
  /** Whether they are of several classes, of which at most one is right. */
  readonly acrossClasses: boolean;
  readonly images: readonly HashedFile[];
}

/** What makes an image odd; `small`: its short side is below the network's input. */
export type OddKind = 'small' | 'tiny' | 'long' | 'one colour' | 'faint';

/** An image that runs take for another class. */
export interface LabelDoubt extends HashedFile {
  /** The class that they take it for. */
  readonly says: string;
  /** Of that class, mean over the runs that say so. */
  readonly probability: number;
  /** Cross-entropy with its own class, mean over the runs; of validation images the least that their recorded probability leaves. */
  readonly loss: number;
  /** How many of how many runs are wrong about it. */
  readonly wrong: number;
  readonly runs: number;
}

/** Images whose labels runs contradict, those with the highest loss first. */
export interface DoubtfulLabels {
  readonly runs: readonly string[];
  /** The run whose best model looked at the training images; null where none of the runs has one. */
  readonly model: string | null;
  /** How many images were judged, by runs that had not learnt from them and by one that may have. */
  readonly judged: { readonly valid: number; readonly train: number };
  readonly valid: readonly LabelDoubt[];
  readonly train: readonly LabelDoubt[];
}

/** What speaks against a data folder, in a sentence. */
export interface DataFinding {
  readonly kind:
    | 'unreadable'
    | 'contradiction'
    | 'leak'
    | 'skipped'
    | 'duplicates'
    | 'imbalance'
    | 'odd'
    | 'labels'
    | 'layout';
  /** Whether results on these data are wrong or flattered: with --strict such a finding is an error. */
  readonly serious: boolean;
  readonly text: string;
}

/** The least, the median and the greatest of a number. */
export interface MedianRange {
  readonly least: number;
  readonly median: number;
  readonly greatest: number;
}

/** `data check`'s JSON document. */
export interface DataCheckDocument {
  readonly schemaVersion: number;
  readonly command: 'data check';
  readonly status: 'completed';
  /** The folder as it was named, and as an absolute path. */
  readonly data: string;
  readonly root: string;
  readonly config: Pick<Settings, 'valSplit' | 'splitSeed' | 'followLinks'> &
    ClassesConfig & { readonly imageSize: number };
  readonly dataset: DatasetSummary;
  readonly seconds: number;
  /** What was taken as the parts and classes. */
  readonly taken: string;
  readonly findings: readonly DataFinding[];
  /** Files that were taken for images and cannot be read; they are among the skipped ones of `dataset` too. */
  readonly unreadable: readonly (CheckedFile & { readonly reason: string })[];
  readonly duplicates: readonly DuplicateImages[];
  /** Validation images that show the same as a training image: the same bytes, or alike. */
  readonly leaks: { readonly exact: number; readonly near: number };
  /** How near duplicates were found: hashes differ in at most `bits` of 64; `plain` images have too little in them to be compared. */
  readonly search: { readonly bits: number; readonly similarity: number; readonly plain: number };
  /** How many images there are of each format and of each way to store colours, the most frequent first. */
  readonly formats: readonly { readonly name: string; readonly images: number }[];
  readonly colours: readonly { readonly name: string; readonly images: number }[];
  /** In pixels, upright; null where no image can be read. */
  readonly sizes: { readonly shortSide: MedianRange; readonly longSide: MedianRange } | null;
  /** Odd images of each kind that there is. */
  readonly odd: readonly { readonly kind: OddKind; readonly images: readonly HashedFile[] }[];
  /** Null without --run. */
  readonly labels: DoubtfulLabels | null;
}

// Errors

/** What is printed with --json instead of a document where there is none: nothing came of the command. */
export interface ErrorDocument {
  readonly schemaVersion: number;
  /** As it was named; null where no command was, or one that does not exist. */
  readonly command: string | null;
  readonly status: 'error';
  /** The program's version. */
  readonly onecycle: string;
  /** Since the program was started. */
  readonly seconds: number;
  readonly error: {
    /**
     * `usage`: options, configuration, data or weights are wrong; `run`: what was begun rightly could not be finished;
     * `interrupted`: by a signal, before there was anything to keep; `bug`: the program itself is wrong.
     */
    readonly kind: 'usage' | 'run' | 'interrupted' | 'bug';
    /** As on stderr. */
    readonly message: string;
    /** What may have been meant; null where that cannot be told. */
    readonly hint: string | null;
    readonly exitCode: number;
  };
}

// print-config

/** A setting's value; null where it is decided later, by data, weights or machine. */
export interface SettingValue {
  readonly value: JsonValue;
  readonly from: 'default' | 'file' | 'flag' | 'arm';
}

/** What `--print-config` answers: every setting of a command and where its value comes from. */
export interface SettingsDocument {
  readonly schemaVersion: number;
  readonly command: CommandName;
  readonly status: 'completed';
  /** The config file; null where none was given. */
  readonly file: string | null;
  readonly settings: Readonly<Record<string, SettingValue>>;
  /** What each arm of a comparison changes in them. */
  readonly arms: readonly {
    readonly arm: string;
    readonly settings: Readonly<Record<string, SettingValue>>;
  }[];
}

// runs

/** What is known of a recorded run without reading its steps. */
export interface ListedRun {
  /** Its folder. */
  readonly run: string;
  readonly command: 'train' | 'find-lr';
  /** Null for a range test. */
  readonly arm: string | null;
  readonly policy: string | null;
  /** As --data named it. */
  readonly data: string;
  readonly seed: number;
  /** `running`: a process writes in its folder; `killed`: it ended without a result, and nobody goes on with it. */
  readonly status: RunResult['status'] | 'running' | 'killed';
  /** Finished epochs and those that are planned; null for a range test. */
  readonly epochs: { readonly done: number; readonly planned: number } | null;
  readonly best: BestEpoch | null;
  readonly final: BestEpoch | null;
  /** ISO 8601: when one of its files was last written. */
  readonly changed: string;
  /** Of all its files together. */
  readonly bytes: number;
  /** Of these, what its checkpoints take. */
  readonly checkpointBytes: number;
}

/** `runs`'s JSON document. */
export interface RunsDocument {
  readonly schemaVersion: number;
  readonly command: 'runs';
  readonly status: 'completed';
  readonly dir: string;
  /** What --policy and --data asked for; null where they were not given. */
  readonly wanted: { readonly policy: string | null; readonly data: string | null };
  /** Runs in the folder, wanted or not. */
  readonly recorded: number;
  readonly runs: readonly ListedRun[];
  /** Folders that are no runs or cannot be read, and why. */
  readonly passedOver: readonly { readonly folder: string; readonly reason: string }[];
  /** With --prune: runs whose checkpoints were removed, and those that were left alone though they were to go. */
  readonly pruned?: {
    readonly runs: readonly string[];
    readonly bytes: number;
    readonly left: readonly { readonly run: string; readonly reason: string }[];
  };
}

// data list, data pull

/** A data set that can be named instead of a folder. */
export interface ListedDataSet {
  readonly name: string;
  readonly about: string;
  readonly classes: number;
  /** `valid` is null where its publisher made no such part. */
  readonly images: { readonly train: number; readonly valid: number | null };
  /** Bytes to download; null where nobody states them, 0 for a bundled one. */
  readonly bytes: number | null;
  readonly licence: string;
  readonly citation: string;
  readonly homepage: string;
  /** Official addresses, with what is stated of each file and by whom; none for a bundled one. */
  readonly files: readonly {
    readonly url: string;
    readonly bytes: number | null;
    readonly sha256: string | null;
    readonly statedBy: string | null;
    /** Where the file may be put by hand. */
    readonly place: string;
  }[];
  /** `begun`: a part of it has been downloaded. */
  readonly state: 'bundled' | 'here' | 'begun' | 'absent';
  /** Where it lies; null where it is not here. */
  readonly folder: string | null;
}

/** What `data list --json` prints. */
export interface DataListDocument {
  readonly schemaVersion: number;
  readonly command: 'data list';
  readonly status: 'completed';
  readonly cache: {
    readonly folder: string;
    /** Of all that lies in it. */
    readonly bytes: number;
  };
  /** What ONECYCLE_MIRROR says; null where it says nothing. */
  readonly mirror: string | null;
  readonly dataSets: readonly ListedDataSet[];
}

/** What `data pull --json` prints. */
export interface DataPullDocument {
  readonly schemaVersion: number;
  readonly command: 'data pull';
  readonly status: 'completed';
  readonly name: string;
  readonly folder: string;
  /** Whether it was made now; it lay in the cache already otherwise. */
  readonly made: boolean;
  readonly images: { readonly train: number; readonly valid: number };
  /** What it was made from, by the official addresses. */
  readonly origins: readonly { readonly url: string; readonly bytes: number; readonly sha256: string }[];
  readonly licence: string;
  readonly citation: string;
  readonly seconds: number;
}

// doctor

/** What became of trying one backend. */
export type BackendProbe =
  | {
      readonly name: BackendName;
      readonly works: true;
      readonly info: BackendInfo;
      /** Null where nobody waited for it. */
      readonly imagesPerSecond: number | null;
      readonly why: string | null;
    }
  | { readonly name: BackendName; readonly works: false; readonly why: string; readonly remedy: string };

/** A folder that the program works with. */
export interface FolderState {
  readonly path: string;
  readonly writable: boolean;
  /** Bytes, or null where the system does not tell. */
  readonly free: number | null;
}

/** What this machine can do, and what is missing for more. */
export interface DoctorDocument {
  readonly schemaVersion: number;
  readonly command: 'doctor';
  readonly status: 'completed';
  readonly onecycle: string;
  readonly machine: {
    readonly node: string;
    readonly platform: string;
    readonly cpu: string;
    readonly cores: number;
    /** Bytes. */
    readonly memory: number;
    readonly freeMemory: number;
  };
  readonly backends: readonly BackendProbe[];
  /** What --backend auto takes; null where none works. */
  readonly automatic: string | null;
  readonly folders: {
    readonly cache: FolderState;
    /** What is fetched by name; it is made when something is. */
    readonly downloads: FolderState;
    readonly weights: FolderState;
    readonly runs: FolderState;
  };
  /** Decoded images and frozen features that commands keep for later ones; absent in documents of versions that kept none. */
  readonly computed?: {
    readonly path: string;
    /** On the disk now, and at most; a most of 0 keeps nothing. */
    readonly bytes: number;
    readonly limit: number;
  };
  readonly bundledWeights: readonly string[];
  readonly terminal: { readonly interactive: boolean; readonly columns: number; readonly colour: boolean };
}
