import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { deflateSync } from 'node:zlib';
import { decodeImage, decodeReason } from '../../../src/data/images/decode.js';
import type { DecodedImage } from '../../../src/data/images/image.js';
import { noise, noisePng } from './image-folder-fixture.js';

const pixel = ({ pixels, width }: DecodedImage, y: number, x: number) => [
  ...pixels.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];

/** Expects each channel within `tolerance` levels. */
function expectColour(colour: number[], expected: number[], tolerance: number): void {
  expect(colour).toHaveLength(3);
  colour.forEach((value, i) =>
    expect(Math.abs(value - expected[i]!), `${colour} for ${expected}`).toBeLessThanOrEqual(tolerance),
  );
}

/** 40 wide, 20 high: left half red, right half blue. */
const redBlue = () => {
  const raw = Buffer.alloc(40 * 20 * 3);
  for (let i = 0; i < 800; i++) raw.set(i % 40 < 20 ? [200, 0, 0] : [0, 0, 200], i * 3);
  return sharp(raw, { raw: { width: 40, height: 20, channels: 3 } });
};

describe('sizes', () => {
  it.each([
    // width, height, short side -> width, height, downscaled
    [300, 200, 100, 150, 100, true],
    [200, 300, 100, 100, 150, true],
    [300, 200, 200, 300, 200, false],
    [300, 200, 500, 300, 200, false],
    [301, 200, 100, 151, 100, true],
    // Longer than 4 short sides: the centre is kept.
    [1000, 100, 50, 200, 50, true],
    [100, 1000, 200, 100, 400, false],
    [5000, 1, 120, 4, 1, false],
    [1, 1, 120, 1, 1, false],
  ])('%d x %d at short side %d becomes %d x %d', async (width, height, shortSide, w, h, downscaled) => {
    const decoded = await decodeImage(await noisePng(width, height), shortSide);
    expect([decoded.width, decoded.height, decoded.downscaled]).toEqual([w, h, downscaled]);
    expect(decoded.pixels).toHaveLength(w * h * 3);
  });

  it('keeps the very pixels where nothing is scaled, the middle ones of a long image', async () => {
    const whole = await decodeImage(await noisePng(20, 10, 7), 100);
    expect(Buffer.from(whole.pixels)).toEqual(noise(20, 10, 7));
    const long = await decodeImage(await noisePng(100, 10, 8), 100);
    const source = noise(100, 10, 8);
    // 40 of 100 columns from column 30 on.
    for (let y = 0; y < 10; y++) {
      expect(Buffer.from(long.pixels.subarray(y * 120, y * 120 + 120))).toEqual(
        source.subarray((y * 100 + 30) * 3, (y * 100 + 70) * 3),
      );
    }
  });
});

describe('kinds of images', () => {
  it('turns upright by EXIF, also while scaling and cutting', async () => {
    // Orientation 6: shown after a quarter turn clockwise, so the left half comes to the top.
    const jpeg = await redBlue().withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer();
    for (const shortSide of [100, 10]) {
      const decoded = await decodeImage(jpeg, shortSide);
      expect([decoded.width, decoded.height]).toEqual(shortSide === 100 ? [20, 40] : [10, 20]);
      expectColour(pixel(decoded, 2, 5), [200, 0, 0], 12);
      expectColour(pixel(decoded, decoded.height - 3, 5), [0, 0, 200], 12);
    }
    const long = await sharp(noise(100, 10), { raw: { width: 100, height: 10, channels: 3 } })
      .withMetadata({ orientation: 8 })
      .jpeg()
      .toBuffer();
    const decoded = await decodeImage(long, 5);
    expect([decoded.width, decoded.height]).toEqual([5, 20]);
  });

  it('reads every accepted format', async () => {
    for (const [format, options] of [
      ['png', {}],
      ['jpeg', { quality: 100 }],
      ['jpeg', { quality: 100, progressive: true }],
      ['webp', { lossless: true }],
      ['gif', {}],
      ['tiff', { compression: 'lzw' }],
      ['avif', { quality: 90 }],
    ] as const) {
      const decoded = await decodeImage(await redBlue().toFormat(format, options).toBuffer(), 100);
      expect([decoded.width, decoded.height]).toEqual([40, 20]);
      expectColour(pixel(decoded, 10, 5), [200, 0, 0], 12);
      expectColour(pixel(decoded, 10, 35), [0, 0, 200], 12);
    }
  });

  it('brings CMYK, 16 bits, grey and palettes to 8-bit RGB', async () => {
    const flat = (r: number, g: number, b: number) =>
      sharp({ create: { width: 8, height: 8, channels: 3, background: { r, g, b } } });
    const first = async (bytes: Buffer) => pixel(await decodeImage(bytes, 100), 4, 4);
    const cmyk = await flat(200, 100, 90).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe('cmyk');
    expectColour(await first(cmyk), [200, 100, 90], 20);
    const deep = await flat(200, 100, 90).toColourspace('rgb16').png().toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe('ushort');
    expectColour(await first(deep), [200, 100, 90], 1);
    const deepGrey = await flat(128, 128, 128).toColourspace('grey16').png().toBuffer();
    expect((await sharp(deepGrey).metadata()).depth).toBe('ushort');
    expectColour(await first(deepGrey), [128, 128, 128], 1);
    const grey = await flat(77, 77, 77).toColourspace('b-w').jpeg().toBuffer();
    expect((await sharp(grey).metadata()).channels).toBe(1);
    expectColour(await first(grey), [77, 77, 77], 1);
    const palette = await flat(200, 100, 90).png({ palette: true }).toBuffer();
    expect((await sharp(palette).metadata()).isPalette).toBe(true);
    expectColour(await first(palette), [200, 100, 90], 2);
  });

  it('puts transparency on white, in 8 and 16 bits, grey and colour, with and without scaling', async () => {
    // Over white, 200 at half opacity is 0.5 * 200 + 0.5 * 255 = 227.5.
    const half = sharp({
      create: { width: 40, height: 40, channels: 4, background: { r: 200, g: 100, b: 0, alpha: 0.5 } },
    });
    const files = [
      await half.clone().png().toBuffer(),
      await half.clone().toColourspace('rgb16').png().toBuffer(),
    ];
    files.push(await half.clone().webp({ lossless: true }).toBuffer());
    for (const bytes of files) {
      for (const shortSide of [100, 10])
        expectColour(pixel(await decodeImage(bytes, shortSide), 5, 5), [227, 177, 127], 2);
    }
    // Two pixels of grey 100: one invisible, one solid.
    const greyAlpha = await sharp(Buffer.from([100, 0, 100, 255]), {
      raw: { width: 2, height: 1, channels: 2 },
    })
      .png()
      .toBuffer();
    expect([...(await decodeImage(greyAlpha, 100)).pixels]).toEqual([255, 255, 255, 100, 100, 100]);
  });

  it('takes the first frame of an animation', async () => {
    const frames = Buffer.concat([Buffer.alloc(16 * 16 * 3, 250), Buffer.alloc(16 * 16 * 3, 5)]);
    const animation = sharp(frames, { raw: { width: 16, height: 32, channels: 3, pageHeight: 16 } });
    for (const bytes of [
      await animation.clone().gif().toBuffer(),
      await animation.clone().webp({ lossless: true }).toBuffer(),
    ]) {
      expect((await sharp(bytes).metadata()).pages).toBe(2);
      const decoded = await decodeImage(bytes, 100);
      expect([decoded.width, decoded.height]).toEqual([16, 16]);
      expectColour(pixel(decoded, 8, 8), [250, 250, 250], 3);
    }
  });
});

describe('files that are refused with a reason', () => {
  const reason = async (bytes: Buffer) => {
    const error: unknown = await decodeImage(bytes, 20).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(Error);
    return (error as Error).message;
  };

  it('a JPEG cut short anywhere', async () => {
    for (const progressive of [false, true]) {
      const jpeg = await sharp(noise(200, 150), { raw: { width: 200, height: 150, channels: 3 } })
        .jpeg({ progressive })
        .toBuffer();
      for (const share of [0.01, 0.1, 0.5, 0.9, 0.999]) {
        expect(await reason(jpeg.subarray(0, Math.floor(jpeg.length * share))), `${share}`).toMatch(
          /cut short/,
        );
      }
      expect(await reason(jpeg.subarray(0, jpeg.length - 2))).toMatch(/cut short/);
    }
  });

  it('other formats cut short', async () => {
    const raw = sharp(noise(100, 80), { raw: { width: 100, height: 80, channels: 3 } });
    for (const format of ['png', 'webp', 'gif', 'tiff', 'avif'] as const) {
      const bytes = await raw.clone().toFormat(format).toBuffer();
      for (const share of [0.2, 0.8]) {
        const said = await reason(bytes.subarray(0, Math.floor(bytes.length * share)));
        expect(said, format).toMatch(/cut short|cannot be decoded/);
        expect(said).not.toContain('\n');
      }
    }
  });

  it('an empty file, text, and a drawing in disguise', async () => {
    expect(await reason(Buffer.alloc(0))).toBe('the file is empty');
    expect(await reason(Buffer.from('not an image at all'))).toMatch(/no image of a known kind/);
    expect(
      await reason(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')),
    ).toMatch(/svg/);
  });

  it('what was put in the place of an image, by its name', async () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n';
    expect(await reason(Buffer.from(pointer))).toBe(
      'it is a pointer of Git LFS: fetch the images with git lfs pull',
    );
    for (const page of ['<!DOCTYPE html><p>404', '\n <html lang="en">']) {
      expect(await reason(Buffer.from(page))).toMatch(/^it is a web page/);
    }
  });

  it('an image of 900 megapixels, before any of them is decoded', async () => {
    expect(await reason(pngClaiming(30_000, 30_000))).toMatch(/more than 100 megapixels/);
    expect(await reason(pngClaiming(10_001, 10_000))).toMatch(/more than 100 megapixels/);
    expect(await reason(pngClaiming(10_000, 10_000))).toMatch(/cut short/);
  });

  it('a decode that takes too long', () => {
    // As sharp words it.
    expect(decodeReason(new Error('timeout: 42% complete'))).toMatch(/more than 5 seconds/);
  });
});

/** A PNG whose header claims a size that its few bytes of data do not fill. */
function pngClaiming(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8); // 8 bits, RGB
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(100))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  out.set(body, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/** The CRC of PNG's specification, annex D, bit by bit. */
function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
