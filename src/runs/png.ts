import sharp from 'sharp';

/** Pixels of the picture for each of the SVG's: sharp on screens of high density too. */
const SCALE = 2;
/** The density at which an SVG's pixel is one pixel of the picture. */
const PLAIN_DENSITY = 72;

/** An SVG document as a PNG of twice its size in pixels. */
export async function pngOf(svg: string): Promise<Uint8Array> {
  return sharp(Buffer.from(svg), { density: SCALE * PLAIN_DENSITY })
    .flatten({ background: 'white' })
    .png()
    .toBuffer();
}
