import { extname } from 'node:path';

/** What a file in a class folder is, going by its name alone. */
export type FileKind =
  | { readonly kind: 'image' }
  /** Hidden, or plainly something else, such as a README: not worth a word. */
  | { readonly kind: 'ignored' }
  /** May have been meant as an image: the user should hear of it. */
  | { readonly kind: 'refused'; readonly reason: string };

const IMAGES = new Set('.jpg .jpeg .jpe .jfif .png .webp .gif .tif .tiff .avif'.split(' '));

const REFUSED = new Map([
  ['.svg', 'SVG drawings are not accepted: export it as PNG'],
  ['.svgz', 'SVG drawings are not accepted: export it as PNG'],
  ['.bmp', 'BMP cannot be decoded here: convert it to PNG'],
  ['.heic', 'HEIC cannot be decoded here: convert it to JPEG'],
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
  if (isHidden(name) || NO_IMAGES.has(extension) || NO_IMAGE_NAMES.test(name)) return { kind: 'ignored' };
  if (IMAGES.has(extension)) return { kind: 'image' };
  const reason =
    REFUSED.get(extension) ?? `${extension === '' ? 'no' : 'unknown'} extension: expected ${listed}`;
  return { kind: 'refused', reason };
}

const listed = 'jpg, jpeg, png, webp, gif, tif, tiff or avif';

/** Whether files and folders of this name are the system's business: .git, .DS_Store, __MACOSX, @eaDir. */
export function isHidden(name: string): boolean {
  return name.startsWith('.') || name === '__MACOSX' || name === '@eaDir';
}
