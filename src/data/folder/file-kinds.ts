import { extname } from 'node:path';

/** What a file in a data folder is, going by its name alone. */
export type FileKind =
  | { readonly kind: 'image' }
  /** Plainly no image, such as a README: passed over and counted. */
  | { readonly kind: 'other' }
  /** May have been meant as an image: named, with the reason why it is not taken. */
  | { readonly kind: 'refused'; readonly reason: string };

const IMAGES = new Set('.jpg .jpeg .jpe .jfif .png .webp .gif .tif .tiff .avif'.split(' '));
const EXPECTED = 'jpg, jpeg, png, webp, gif, tif, tiff or avif';

/** Said of HEIC by its extension, and of HEIC that is called .jpg. */
export const HEIC = 'HEIC cannot be decoded here: convert it to JPEG';

const REFUSED = new Map([
  ['.svg', 'SVG drawings are not accepted: export it as PNG'],
  ['.svgz', 'SVG drawings are not accepted: export it as PNG'],
  ['.bmp', 'BMP cannot be decoded here: convert it to PNG'],
  ['.heic', HEIC],
  ['.heif', 'HEIF cannot be decoded here: convert it to JPEG'],
]);

const NO_IMAGES = new Set(
  '.txt .md .rst .html .htm .json .jsonl .csv .tsv .xml .yaml .yml .toml .log .pdf .py .js .ts .sh .ini .db'.split(
    ' ',
  ),
);
const NO_IMAGE_NAMES = /^(readme|licen[cs]e|notice|copying|changelog|authors)$/i;

/** Tells images from other files by name; case does not matter. */
export function fileKind(name: string): FileKind {
  const extension = extname(name).toLowerCase();
  if (isHidden(name) || NO_IMAGES.has(extension) || NO_IMAGE_NAMES.test(name)) return { kind: 'other' };
  if (IMAGES.has(extension)) return { kind: 'image' };
  const reason =
    REFUSED.get(extension) ?? `${extension === '' ? 'no' : 'unknown'} extension: expected ${EXPECTED}`;
  return { kind: 'refused', reason };
}

/** Hidden files and folders are not looked into, but counted. */
export function isHidden(name: string): boolean {
  return name.startsWith('.');
}

/** Lower case: what operating systems, network drives, archivers and notebooks leave in folders. */
const SYSTEM = new Set([
  ...['#recycle', '@recycle', '@recently-snapshot', '@eadir', '#snapshot', '.snapshot'],
  ...['$recycle.bin', 'system volume information', 'desktop.ini', 'thumbs.db', 'ehthumbs.db'],
  ...['lost+found', '.directory', '.nomedia', '__macosx', '.ds_store', '_ds_store', '.apdisk'],
  ...['.trashes', '.spotlight-v100', '.fseventsd', '.temporaryitems', '.documentrevisions-v100'],
  ...['.ipynb_checkpoints', '.git', '.gitignore', '.gitattributes', '.gitkeep'],
]);
/** What macOS and Windows keep beside a file, Linux's wastebaskets, and deleted files that NFS still holds. */
const SYSTEM_NAMES = /^(\._|\.trash-|\.nfs)|:zone\.identifier$/i;

/** Whether a file or folder of this name is the system's: passed over without a word, readable or not. */
export function isSystem(name: string): boolean {
  return SYSTEM.has(name.toLowerCase()) || SYSTEM_NAMES.test(name);
}
