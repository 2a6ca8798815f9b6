import type { RandomStream } from '../../random.js';
import type { CropBox, ImageSize } from './image.js';

/** How training images are varied. */
export type Augment = 'none' | 'flip' | 'crop-flip';

const AREA = [0.5, 1] as const;
/** Width over height. */
const RATIO = [3 / 4, 4 / 3] as const;
const TRIES = 10;
/** Share of the short side that validation sees: the same magnification as an average training crop. */
export const CENTRE = 0.875;

/**
 * Longest side kept, in short sides. Training crops of half the area and at most 4:3 fit only while an
 * image is no longer than 8/3 of its short side; beyond that all crops are at the centre. So the ends
 * of longer images are never looked at, and a 20 x 5,000,000 one need not be kept.
 */
export const LONGEST = 4;

/** Short side of a decoded image over the image size: room for crops without enlarging. */
const ROOM = 1.25;

/** The short side in pixels that larger images are shrunk to. */
export function decodedShortSide(imageSize: number): number {
  return Math.round(ROOM * imageSize);
}

/** A rectangle of whole pixels. */
interface PixelRect {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/**
 * The crop that training sees. 'crop-flip': 0.5 to 1 of the area at a ratio of 3/4 to 4/3, as
 * torchvision's RandomResizedCrop chooses it (ten tries, then the centre); 'flip' and 'none': the
 * validation crop. Mirrored with probability one half unless 'none'.
 */
export function trainingBox(image: ImageSize, stream: RandomStream, augment: Augment): CropBox {
  if (augment === 'none') return validationBox(image);
  // Drawn first, so that it does not depend on how many tries the crop takes.
  const mirrored = stream.uniform() < 0.5;
  const box = augment === 'flip' ? validationBox(image) : boxOf(randomRect(image, stream), image);
  return mirrored ? { ...box, x1: box.x2, x2: box.x1 } : box;
}

/** The crop that validation sees: the centre square of 0.875 of the short side, or all of it where nothing was downscaled. */
export function validationBox(image: ImageSize): CropBox {
  const short = Math.min(image.height, image.width);
  const side = image.downscaled ? Math.max(1, Math.round(CENTRE * short)) : short;
  return boxOf(centred(side, side, image), image);
}

function randomRect(image: ImageSize, stream: RandomStream): PixelRect {
  const between = (low: number, high: number) => low + (high - low) * stream.uniform();
  const wholeArea = image.height * image.width;
  for (let i = 0; i < TRIES; i++) {
    const area = wholeArea * between(...AREA);
    const ratio = Math.exp(between(Math.log(RATIO[0]), Math.log(RATIO[1])));
    const width = Math.round(Math.sqrt(area * ratio));
    const height = Math.round(Math.sqrt(area / ratio));
    if (width < 1 || height < 1 || width > image.width || height > image.height) continue;
    const top = stream.integer(image.height - height + 1);
    const left = stream.integer(image.width - width + 1);
    return { top, left, height, width };
  }
  // No try fitted: the largest centred part within the ratios.
  const height = Math.min(image.height, Math.max(1, Math.round(image.width / RATIO[0])));
  const width = Math.min(image.width, Math.max(1, Math.round(image.height * RATIO[1])));
  return centred(height, width, image);
}

function centred(height: number, width: number, image: ImageSize): PixelRect {
  const top = Math.floor((image.height - height) / 2);
  const left = Math.floor((image.width - width) / 2);
  return { top, left, height, width };
}

/**
 * Box coordinates count from the centre of the first pixel (0) to that of the last (1). So cropAndResize
 * puts its first sample on the crop's first pixel and its last on the crop's last, and never reads
 * outside the crop; the spacing between samples is (pixels - 1) / (samples - 1).
 */
function boxOf({ top, left, height, width }: PixelRect, image: ImageSize): CropBox {
  const along = (pixel: number, pixels: number) => (pixels === 1 ? 0 : pixel / (pixels - 1));
  return {
    y1: along(top, image.height),
    x1: along(left, image.width),
    y2: along(top + height - 1, image.height),
    x2: along(left + width - 1, image.width),
  };
}
