import { basename, extname } from 'node:path';
import { RunError } from '../../errors.js';
import { type ArchiveEntry, readArchive, writeInside } from '../../fetch/unpack.js';
import { fileKind, isHidden, isSystem } from '../folder/file-kinds.js';
import { pngOfPixels } from '../images/decode.js';
import type { DataSet, DataSetLayout } from './catalog.js';

/** Images that a data set turned out to have. */
export interface MadeImages {
  train: number;
  valid: number;
}

interface MakeOptions {
  readonly signal: AbortSignal;
  /** Hears of the bytes of an archive that have been gone through. */
  readonly onProgress: (archive: string, done: number) => void;
}

/**
 * Makes a folder of parts and classes from a data set's archives.
 * @param folder an empty folder
 * @param archives the files of the set, in its order
 * @throws RunError where an archive is damaged or holds something else than the set
 */
export async function makeImageFolder(
  { name, layout }: Pick<DataSet, 'name' | 'layout'>,
  folder: string,
  archives: readonly string[],
  options: MakeOptions,
): Promise<MadeImages> {
  const made: MadeImages = { train: 0, valid: 0 };
  const put = async (path: string, content: Uint8Array) => {
    await writeInside(folder, path, content);
    if (fileKind(path).kind === 'image') made[/^val\//u.test(path) ? 'valid' : 'train']++;
  };
  const visit = visitorOf(layout, put, options.signal);
  for (const archive of archives) {
    const onProgress = (done: number) => options.onProgress(archive, done);
    await readArchive(archive, visit, { signal: options.signal, onProgress });
  }
  if (made.train > 0) return made;
  throw new RunError(
    `${archives.join(', ')} cannot be made into ${name}: no training image is where its description says. Nothing of it was kept; see "onecycle help data-sets".`,
  );
}

type Put = (path: string, content: Uint8Array) => Promise<void>;
type Visitor = (entry: ArchiveEntry) => Promise<void>;

function visitorOf(layout: DataSetLayout, put: Put, signal: AbortSignal): Visitor {
  switch (layout.kind) {
    case 'folders':
      return folderVisitor(layout, put);
    case 'cifar10':
      return cifarVisitor(put, signal);
    case 'listed':
      return listVisitor(layout, put);
  }
}

/** Images as they lie, and the licence beside them. */
function folderVisitor(
  { top, classNames = {}, leftOut = [] }: DataSetLayout & { kind: 'folders' },
  put: Put,
): Visitor {
  const above = top === '' ? [] : top.split('/');
  return async ({ name, read }) => {
    const parts = name.split('/').filter((part) => part !== '' && part !== '.');
    if (!above.every((part, i) => parts[i] === part)) return;
    const below = parts.slice(above.length);
    const file = below.at(-1) ?? '';
    if (below.some((part) => isHidden(part) || isSystem(part)) || leftOut.includes(file)) return;
    const isLicence = below.length === 1 && /^licen[cs]e/iu.test(file);
    if (!isLicence && (below.length < 2 || fileKind(file).kind !== 'image')) return;
    const named = below.map((part, i) =>
      i === below.length - 2 ? (ownName(classNames, part) ?? part) : part,
    );
    await put(named.join('/'), await read());
  };
}

function ownName(names: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(names, name) ? names[name] : undefined;
}

/** As batches.meta.txt in the archive names them. */
const CIFAR10 = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ');
const SIDE = 32;
const PIXELS = SIDE * SIDE;
const RECORD = 1 + 3 * PIXELS;
const BATCH = 10_000;
/** PNGs that are made at a time. */
const AT_ONCE = 16;

/**
 * The records of CIFAR-10's binary version: a byte for the label, then red, green and blue of all pixels, row by row
 * (https://www.cs.toronto.edu/~kriz/cifar.html). A PNG has the number of its record, counted through the five training batches.
 */
function cifarVisitor(put: Put, signal: AbortSignal): Visitor {
  return async ({ name, read }) => {
    const { number } = /^data_batch_(?<number>[1-5])\.bin$/u.exec(basename(name))?.groups ?? {};
    if (number === undefined && basename(name) !== 'test_batch.bin') return;
    const content = await read();
    const part = number === undefined ? 'val' : 'train';
    const first = number === undefined ? 0 : (Number(number) - 1) * BATCH;
    if (content.length === 0 || content.length % RECORD !== 0) {
      throw new RunError(`${name} is no batch of CIFAR-10: its length is no multiple of ${RECORD} bytes.`);
    }
    const records = content.length / RECORD;
    for (let begin = 0; begin < records; begin += AT_ONCE) {
      signal.throwIfAborted();
      const numbers = Array.from({ length: Math.min(AT_ONCE, records - begin) }, (_, i) => begin + i);
      await Promise.all(
        numbers.map(async (record) => {
          const bytes = content.subarray(record * RECORD, (record + 1) * RECORD);
          const className = CIFAR10[bytes[0] ?? CIFAR10.length];
          if (className === undefined) {
            throw new RunError(
              `Record ${record} of ${name} has the label ${bytes[0]}; CIFAR-10 has labels from 0 to 9.`,
            );
          }
          const png = await pngOfPixels(interleaved(bytes.subarray(1)), SIDE, SIDE);
          await put(`${part}/${className}/${String(first + record).padStart(5, '0')}.png`, png);
        }),
      );
    }
  };
}

/** Red, green and blue of a pixel side by side, from all reds, all greens and all blues. */
function interleaved(planes: Uint8Array): Uint8Array {
  const pixels = new Uint8Array(3 * PIXELS);
  for (let i = 0; i < PIXELS; i++) {
    for (let channel = 0; channel < 3; channel++) pixels[3 * i + channel] = planes[channel * PIXELS + i] ?? 0;
  }
  return pixels;
}

/** Images that two lists sort into parts; their names say the classes. The lists come before the images. */
function listVisitor({ images, train, valid }: DataSetLayout & { kind: 'listed' }, put: Put): Visitor {
  const parts = new Map<string, string>();
  return async ({ name, read }) => {
    const path = name.replace(/^(?:\.\/)+/u, '');
    if (path === train || path === valid) {
      for (const line of String(await read()).split('\n')) {
        const [listed = ''] = line.trim().split(/\s+/u);
        if (listed !== '' && !listed.startsWith('#')) parts.set(listed, path === train ? 'train' : 'val');
      }
      return;
    }
    const file = path.startsWith(`${images}/`) ? path.slice(images.length + 1) : '';
    const stem = file.slice(0, file.length - extname(file).length);
    const part = parts.get(stem);
    const className = /^(?<name>[^/\\.][^/\\]*)_[^_]*$/u.exec(stem)?.groups?.['name'];
    if (part === undefined || className === undefined || fileKind(file).kind !== 'image') return;
    await put(`${part}/${className}/${file}`, await read());
  };
}
