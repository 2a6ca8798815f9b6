import { UsageError } from '../errors/errors.js';
import type { ImageFolder, Sample, SkippedFile } from './image-folder.js';

/** Files named in an error. */
const LISTED = 20;

/** Throws UsageError that lists the files which cannot be used, if there are any. */
export function requireNoneSkipped(root: string, skipped: readonly SkippedFile[]): void {
  if (skipped.length === 0) return;
  throw new UsageError(
    `${skipped.length} file(s) in ${root} cannot be used, and --strict allows none:\n${listFiles(skipped)}\n` +
      'Expected readable images only; repair or remove these, or run without --strict to leave them out.',
  );
}

/** Throws UsageError where a class has nothing left in a part ('training' or 'validation'), listing what failed. */
export function requireEveryClass(
  folder: ImageFolder,
  ready: readonly Sample[],
  part: string,
  failed: readonly SkippedFile[],
): void {
  const labels = new Set(ready.map(({ label }) => label));
  const empty = folder.classNames.filter((_, label) => !labels.has(label));
  if (empty.length === 0) return;
  throw new UsageError(
    `No ${part} image of ${empty.map((name) => `"${name}"`).join(', ')} in ${folder.root} can be used:\n` +
      `${listFiles(failed)}\nExpected at least one per class; repair these files, or add images.`,
  );
}

function listFiles(files: readonly SkippedFile[]): string {
  const lines = files.slice(0, LISTED).map(({ path, reason }) => `  ${path}: ${reason}`);
  if (files.length > LISTED) lines.push(`  and ${files.length - LISTED} more`);
  return lines.join('\n');
}
