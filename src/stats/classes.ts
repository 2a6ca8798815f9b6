/** `counts[label][predicted]`: images of class `label` that were taken for class `predicted`. */
export type Confusion = readonly (readonly number[])[];

/** Counts what was taken for what; classes are numbers from 0 to `classes` - 1, pairs outside are left out. */
export function confusionOf(
  judged: Iterable<{ readonly label: number; readonly predicted: number }>,
  classes: number,
): Confusion {
  const counts = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
  for (const { label, predicted } of judged) {
    const row = counts[label];
    if (row?.[predicted] !== undefined) row[predicted] += 1;
  }
  return counts;
}

/** Share of a class that was recognised, its recall; null for a class without images. */
export function classAccuracy(counts: Confusion, label: number): number | null {
  const row = counts[label] ?? [];
  const total = row.reduce((sum, count) => sum + count, 0);
  return total === 0 ? null : (row[label] ?? 0) / total;
}

/** Of the answers of a class the share that is right, and its harmonic mean with the recall; null where nothing was so called. */
export function precisionAndF1(counts: Confusion, label: number): readonly [number | null, number | null] {
  const right = counts[label]?.[label] ?? 0;
  const answers = counts.reduce((sum, row) => sum + (row[label] ?? 0), 0);
  const images = (counts[label] ?? []).reduce((sum, count) => sum + count, 0);
  return [
    answers === 0 ? null : right / answers,
    answers + images === 0 ? null : (2 * right) / (answers + images),
  ];
}

/** What a network makes of all classes alike, whatever their images. */
export interface ClassAverages {
  /** The mean of the classes' recalls, over the classes that have images (Brodersen et al., ICPR 2010). */
  readonly balancedAccuracy: number;
  /** The mean of the classes' F1, over the classes that have images or answers. */
  readonly macroF1: number;
}

/** The averages over classes, as scikit-learn's balanced_accuracy_score and f1_score(average='macro') have them; NaN without images. */
export function classAverages(counts: Confusion): ClassAverages {
  const labels = counts.map((_, label) => label);
  return {
    balancedAccuracy: meanOfKnown(labels.map((label) => classAccuracy(counts, label))),
    macroF1: meanOfKnown(labels.map((label) => precisionAndF1(counts, label)[1])),
  };
}

function meanOfKnown(values: readonly (number | null)[]): number {
  const known = values.filter((value) => value !== null);
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** How well one class is recognised, as shares; null where there is nothing to divide by. */
export interface ClassScore {
  readonly class: string;
  /** That were judged. */
  readonly images: number;
  readonly recall: number | null;
  readonly precision: number | null;
  readonly f1: number | null;
}

/** Every class's scores, in the order of the classes. */
export function classScores(counts: Confusion, classes: readonly string[]): ClassScore[] {
  return classes.map((name, label) => {
    const [precision, f1] = precisionAndF1(counts, label);
    const images = (counts[label] ?? []).reduce((sum, count) => sum + count, 0);
    return { class: name, images, recall: classAccuracy(counts, label), precision, f1 };
  });
}

/** The largest class over the smallest, from which on a share of all images says too little about the small ones. */
const UNEVEN = 1.5;

/** Whether classes of so many images are uneven; those without images do not count. */
export function areUneven(images: readonly number[]): boolean {
  const known = images.filter((count) => count > 0);
  return known.length > 1 && Math.max(...known) >= UNEVEN * Math.min(...known);
}

/** Times ln(classes), from which on a loss is far above that of guessing. */
const FAR = 3;

/**
 * Whether a training or validation loss is far above ln(classes): that of a network which gives all classes the same probability,
 * whatever the labels, their smoothing and the classes' weights. At three times as much the true classes have a probability of
 * 1 / classes³ in the geometric mean: overfitting seldom comes so far, and a divergence goes on to millions.
 */
export function isFarAboveGuessing(
  { trainLoss, validLoss }: { readonly trainLoss: number; readonly validLoss: number },
  classes: number,
): boolean {
  return classes > 1 && Math.max(trainLoss, validLoss) > FAR * Math.log(classes);
}
