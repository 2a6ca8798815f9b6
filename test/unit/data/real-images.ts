import sharp, { type Sharp } from 'sharp';
import { noise } from './image-folder-fixture.js';

/** A sound image file, and the extension that tells its format. */
export interface RealImage {
  /** What is special about it. */
  readonly kind: string;
  readonly extension: string;
  readonly bytes: Buffer;
}

const SIDE = 48;

const picture = (number = 0): Sharp =>
  sharp(noise(SIDE, SIDE - 8, number), { raw: { width: SIDE, height: SIDE - 8, channels: 3 } });

const make = async (kind: string, extension: string, image: Sharp): Promise<RealImage> => ({
  kind,
  extension,
  bytes: await image.toBuffer(),
});

/** Three frames of one colour each. */
async function animation(): Promise<Sharp> {
  const frames = [0, 80, 160].map((r) =>
    sharp({ create: { width: 24, height: 24, channels: 3, background: { r, g: 9, b: 99 } } })
      .png()
      .toBuffer(),
  );
  return sharp(await Promise.all(frames), { join: { animated: true } });
}

/** Sound files of every kind that a data folder may hold: formats, depths, colour spaces, orientations, sizes. */
export async function realImages(): Promise<RealImage[]> {
  return Promise.all([
    make('baseline', 'jpg', picture().jpeg()),
    make('progressive', 'jpg', picture(1).jpeg({ progressive: true, quality: 90 })),
    make('without subsampling', 'jpg', picture(2).jpeg({ chromaSubsampling: '4:4:4' })),
    make('CMYK', 'jpg', picture(3).toColourspace('cmyk').jpeg()),
    make('grey', 'jpg', picture(4).greyscale().jpeg()),
    make('with a profile', 'jpg', picture(5).withIccProfile('p3').jpeg()),
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((orientation) =>
      make(`turned by EXIF ${orientation}`, 'jpg', picture(orientation).withMetadata({ orientation }).jpeg()),
    ),
    make('8 bits', 'png', picture(6).png()),
    make('16 bits', 'png', picture(7).toColourspace('rgb16').png()),
    make('palette', 'png', picture(8).png({ palette: true, colours: 16 })),
    make('interlaced', 'png', picture(9).png({ progressive: true })),
    make('transparent', 'png', picture(10).ensureAlpha(0.5).png()),
    make('with a profile', 'png', picture(11).withIccProfile('srgb').png()),
    make('one pixel', 'png', picture(12).extract({ left: 0, top: 0, width: 1, height: 1 }).png()),
    make('one row', 'png', picture(13).extract({ left: 0, top: 0, width: SIDE, height: 1 }).png()),
    make('lossy', 'webp', picture(14).webp()),
    make('lossless', 'webp', picture(15).webp({ lossless: true })),
    make('animated', 'webp', (await animation()).webp()),
    make('still', 'gif', picture(16).gif()),
    make('animated', 'gif', (await animation()).gif()),
    make('packed', 'tiff', picture(17).tiff({ compression: 'lzw' })),
    make('deflated', 'tif', picture(18).tiff({ compression: 'deflate', predictor: 'horizontal' })),
    make('16 bits', 'tiff', picture(19).toColourspace('rgb16').tiff()),
    make('CMYK', 'tiff', picture(20).toColourspace('cmyk').tiff()),
    make(
      'tiles and pyramid',
      'tiff',
      picture(21).tiff({ tile: true, pyramid: true, tileWidth: 16, tileHeight: 16 }),
    ),
    make('still', 'avif', picture(22).avif({ effort: 0 })),
  ]);
}
