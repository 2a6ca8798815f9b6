/** One image file of a data set. */
export interface Sample {
  /** Relative to the data folder, with forward slashes. */
  readonly path: string;
  /** Index into classNames. */
  readonly label: number;
}

/** An image with its place in a store, where it may not have arrived yet. */
export interface StoredSample extends Sample {
  /** Its number in the store. */
  readonly image: number;
}

/** An image that is ready: decoded, in the store, its file hashed. */
export interface PreparedSample extends StoredSample {
  /** Of the file's bytes, in hexadecimal. */
  readonly sha256: string;
}

/** A file that was left out, and why, in words for the user. */
export interface SkippedFile {
  readonly path: string;
  readonly reason: string;
}

/** Image paths by class name, those of a class sorted by code unit. */
export type PathsByClass = ReadonlyMap<string, readonly string[]>;

/** A data set that was found and is not split yet. */
export interface FoundImages {
  readonly learnt: PathsByClass;
  /** Of the same classes; undefined where a share of `learnt` is to be held out. */
  readonly judged: PathsByClass | undefined;
  readonly skipped: readonly SkippedFile[];
  /** What was taken, once it is known how many images are trained on and validated with. */
  readonly taken: (images: { readonly train: number; readonly valid: number }) => string;
  readonly notes: readonly string[];
  readonly labels?: LabelsRecord;
}

/** The file that said which image is of which class. */
export interface LabelsRecord {
  /** As the user gave it. */
  readonly file: string;
  /** Of the file's bytes, in hexadecimal. */
  readonly sha256: string;
}

/** A data set on disk: DIR/<part>/<class>/*, DIR/<class>/* that is split here, or images of which a file of labels tells. */
export interface ImageFolder {
  /** Absolute path. */
  readonly root: string;
  /** Sorted by code unit, so that every machine numbers them alike. */
  readonly classNames: readonly string[];
  readonly train: readonly Sample[];
  readonly valid: readonly Sample[];
  readonly skipped: readonly SkippedFile[];
  /** What was taken as parts and classes, with counts: one line for the user. */
  readonly taken: string;
  /** What a reader of the results should know of the folder, in words for the user. */
  readonly notes: readonly string[];
  /** Absent where folders say the classes. */
  readonly labels?: LabelsRecord;
}
