import { UsageError } from '../errors/errors.js';
import type { SkippedFile } from './image-folder.js';

/** Image paths by class name. */
export type PathsByClass = ReadonlyMap<string, readonly string[]>;

/** Throws UsageError unless there are two classes or more. */
export function requireClasses(
  root: string,
  classNames: readonly string[],
  skipped: readonly SkippedFile[],
): void {
  const expected =
    'Expected at least two classes, as DIR/train/<class>/*.jpg and DIR/val/<class>/*.jpg or DIR/<class>/*.jpg';
  if (classNames.length === 0) {
    const first = skipped[0];
    const hint =
      first === undefined ? '' : ` ${skipped.length} skipped, such as ${first.path}: ${first.reason}.`;
    throw new UsageError(`No images found in ${root}.${hint} ${expected}; check --data.`);
  }
  if (classNames.length === 1) {
    throw new UsageError(
      `Only one class, "${classNames[0]}", found in ${root}. ${expected}. ` +
        'Add a class folder, or pass that folder itself where it is the data set.',
    );
  }
}

/** Throws UsageError unless each class can be split. */
export function requireTwoEach(root: string, train: PathsByClass): void {
  const small = [...train.values()].flatMap((paths) => (paths.length < 2 ? paths : []));
  if (small.length === 0) return;
  throw new UsageError(
    `Classes in ${root} have too few images to hold one out for validation (${small.join(', ')}). ` +
      'Expected at least 2 images per class; add images, remove the class, or provide train/<class> and val/<class>.',
  );
}

/**
 * Throws UsageError unless train and val have the same classes: each must be both learnt and judged, or
 * the accuracy means something else than it says.
 */
export function requireSameClasses(root: string, train: PathsByClass, valid: PathsByClass): void {
  const missing = (from: PathsByClass, to: PathsByClass) => [...from.keys()].filter((name) => !to.has(name));
  const [unknown, unjudged] = [missing(valid, train), missing(train, valid)];
  if (unknown.length + unjudged.length === 0) return;
  const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`).join(', ');
  const faults = [
    unknown.length > 0 ? `train/ has no images of ${quoted(unknown)}` : '',
    unjudged.length > 0 ? `val/ has no images of ${quoted(unjudged)}` : '',
  ];
  throw new UsageError(
    `train/ and val/ in ${root} differ: ${faults.filter((fault) => fault !== '').join('; ')}. ` +
      'Expected the same classes in both; add the images, remove the class, or remove val/ to hold out a share of train/.',
  );
}
