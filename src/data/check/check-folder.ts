import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf } from '../../errors.js';
import { limitReached } from '../../system.js';
import type { ImageFolder, Sample } from '../folder/image-folder.js';
import { examineImage, type ImageFacts, readImageFile } from '../images/decode.js';
import { forEachBounded, imagesAtATime } from '../images/prepare.js';
import { Groups, Pictures } from './near-duplicates.js';
import { SIDE } from './perceptual-hash.js';

/** The part that an image belongs to. */
export type PartName = 'train' | 'valid';

/** An image of the folder that could be read. */
export interface CheckedImage extends Sample, ImageFacts {
  readonly part: PartName;
  /** Of the file's bytes, in hexadecimal. */
  readonly sha256: string;
}

/** A file that was taken for an image and cannot be read. */
export interface UnreadableImage extends Sample {
  readonly part: PartName;
  readonly reason: string;
}

/** Images that show the same. */
export interface DuplicateGroup {
  /** The members, in the order of the check. */
  readonly images: readonly CheckedImage[];
  /** Least correlation of two of them that were held against each other; 1 where all have the same bytes. */
  readonly similarity: number;
  /** Whether all have the same bytes. */
  readonly exact: boolean;
  /** Whether some are mirror images of others. */
  readonly mirrored: boolean;
}

/** What a folder holds, and what of it speaks against it. */
export interface FolderCheck {
  /** All that can be read: the training images, then the validation images. */
  readonly images: readonly CheckedImage[];
  readonly unreadable: readonly UnreadableImage[];
  readonly duplicates: readonly DuplicateGroup[];
  /** Images with too little in them to be held against others. */
  readonly plain: number;
  /** Bits in which the hashes of near duplicates may differ. */
  readonly radius: number;
}

/** Who hears of a check, and who stops it. */
export interface CheckContext {
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Outcome = CheckedImage | UnreadableImage;

/**
 * Reads every image of a folder once and decodes it small, some at a time, and finds those that show the same. What is kept of an image
 * are its facts, its hashes and a grey copy of a kilobyte, of which most lie in a temporary file where there are many.
 * Throws RunError where that cannot be written; rejects with the signal's reason.
 */
export async function checkFolder(
  folder: ImageFolder,
  { onProgress, signal }: CheckContext = {},
): Promise<FolderCheck> {
  const listed = (['train', 'valid'] as const).flatMap((part) =>
    folder[part].map((sample) => ({ ...sample, part })),
  );
  const pictures = new Pictures(listed.length);
  // Of files with the same bytes one is held against the others.
  const seen = new Set<string>();
  const check = (i: number, sample: Listed) =>
    checkOne(folder.root, sample, (grey, sha256) => {
      if (!seen.has(sha256)) pictures.put(i, grey);
      seen.add(sha256);
    });
  try {
    const outcomes: Outcome[] = [];
    const suspects: number[] = [];
    let done = 0;
    await forEachBounded(listed, imagesAtATime(), async (sample, i) => {
      signal?.throwIfAborted();
      const found = await check(i, sample);
      outcomes[i] = found;
      if ('reason' in found && found.from === 'decoder') suspects.push(i);
      onProgress?.(++done, listed.length);
      if (done % TURN === 0) await nextTurn();
    });
    // The decoder's threads share one buffer for error messages. To get an image's own, it is decoded again with no other beside it.
    for (const i of suspects) {
      const sample = listed[i];
      signal?.throwIfAborted();
      if (sample !== undefined) outcomes[i] = await check(i, sample);
    }
    const { pairs, ...search } = await pictures.nearDuplicates(signal);
    const images = outcomes.filter((one): one is CheckedImage => 'sha256' in one);
    return {
      images,
      unreadable: outcomes.flatMap((one) =>
        'reason' in one ? [{ path: one.path, label: one.label, part: one.part, reason: one.reason }] : [],
      ),
      duplicates: duplicateGroups(outcomes, pairs),
      ...search,
    };
  } finally {
    pictures.close();
  }
}

/** Images between two turns of the event loop, in which a signal is heard. */
const TURN = 100;

type Listed = Sample & { readonly part: PartName };

async function checkOne(
  root: string,
  sample: Listed,
  keep: (grey: Uint8Array, sha256: string) => void,
): Promise<CheckedImage | (UnreadableImage & { readonly from: 'file' | 'decoder' })> {
  let bytes;
  try {
    bytes = await readImageFile(join(root, sample.path));
  } catch (error) {
    const limit = limitReached(error);
    if (limit !== undefined) throw limit;
    return { ...sample, reason: messageOf(error), from: 'file' };
  }
  let examined;
  try {
    examined = await examineImage(bytes, SIDE);
  } catch (error) {
    return { ...sample, reason: messageOf(error), from: 'decoder' };
  }
  const { grey, ...facts } = examined;
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  keep(grey, sha256);
  return { ...sample, ...facts, sha256 };
}

/** Images with the same bytes and those that look alike, in groups of two or more. */
function duplicateGroups(
  outcomes: readonly Outcome[],
  pairs: Awaited<ReturnType<Pictures['nearDuplicates']>>['pairs'],
): DuplicateGroup[] {
  const groups = new Groups(outcomes.length);
  const firstOf = new Map<string, number>();
  outcomes.forEach((one, i) => {
    if (!('sha256' in one)) return;
    const first = firstOf.get(one.sha256);
    if (first === undefined) firstOf.set(one.sha256, i);
    else groups.join(i, first);
  });
  for (const { pictures } of pairs) groups.join(...pictures);
  const members = new Map<number, CheckedImage[]>();
  outcomes.forEach((one, i) => {
    if (!('sha256' in one)) return;
    const group = groups.of(i);
    const known = members.get(group);
    if (known === undefined) members.set(group, [one]);
    else known.push(one);
  });
  const links = new Map<number, { similarity: number; mirrored: boolean }>();
  for (const { pictures, similarity, mirrored } of pairs) {
    const group = groups.of(pictures[0]);
    const known = links.get(group) ?? { similarity: 1, mirrored: false };
    links.set(group, {
      similarity: Math.min(known.similarity, similarity),
      mirrored: known.mirrored || mirrored,
    });
  }
  return [...members].flatMap(([group, images]): DuplicateGroup[] => {
    if (images.length < 2) return [];
    const exact = images.every(({ sha256 }) => sha256 === images[0]?.sha256);
    const { similarity, mirrored } = links.get(group) ?? { similarity: 1, mirrored: false };
    return [
      exact ? { images, exact, similarity: 1, mirrored: false } : { images, exact, similarity, mirrored },
    ];
  });
}
