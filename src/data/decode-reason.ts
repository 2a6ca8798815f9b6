import { messageOf } from '../errors/message-of.js';

/** Megapixels beyond which an image is refused: a few kilobytes can claim gigabytes. */
export const MEGAPIXEL_LIMIT = 100;
/** Seconds that one decode may take. */
export const SECONDS_LIMIT = 5;

const REASONS: readonly (readonly [RegExp, (detail: string) => string])[] = [
  [/buffer is empty/i, () => 'the file is empty'],
  [/exceeds pixel limit/i, () => `more than ${MEGAPIXEL_LIMIT} megapixels: make it smaller`],
  [
    /unsupported image format/i,
    () => 'its content is no image of a known kind (JPEG, PNG, WebP, GIF, TIFF, AVIF), or is cut short',
  ],
  [/timeout/i, () => `decoding took more than ${SECONDS_LIMIT} seconds`],
  [
    /premature end|read error|unexpected end|corrupt|truncat/i,
    (detail) => `damaged or cut short (${detail})`,
  ],
];

/** Puts what the decoder says into one line for the user. */
export function decodeReason(error: unknown): string {
  const message = messageOf(error);
  // libheif puts a dozen lines on seeking before the line that tells.
  const lines = message
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('source: bad seek'));
  const detail = (lines[0] ?? 'unknown error').trim();
  const known = REASONS.find(([pattern]) => pattern.test(detail));
  return known === undefined ? `cannot be decoded (${detail})` : known[1](detail);
}
