import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { createHash } from 'node:crypto';
import { crc32, deflateSync } from 'node:zlib';
import { fileKind } from '../../../src/data/folder/file-kinds.js';
import { decodeImage, thumbnail } from '../../../src/data/images/decode.js';
import { folderWith, noise } from './image-folder-fixture.js';
import { colourProfile, WIDE } from './profile.js';
import { tiff, type TiffParts } from './tiff.js';

// One picture in every format, depth and kind of sample: decoded to the same pixels, or refused with a reason.

const [WIDTH, HEIGHT] = [64, 48];
/** Ramps in red and green, noise in blue, and a stripe of pure red on top. */
const picture = noise(WIDTH, HEIGHT, 3);
for (let i = 0; i < WIDTH * HEIGHT; i++) {
  picture[3 * i] = 4 * (i % WIDTH);
  picture[3 * i + 1] = 5 * Math.floor(i / WIDTH);
  if (i < 3 * WIDTH) picture.set([255, 0, 0], 3 * i);
}
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const grey = picture.filter((_, i) => i % 3 === 2);
const size = { width: WIDTH, height: HEIGHT };
const rgb = (): Sharp => sharp(picture, { raw: { ...size, channels: 3 } });
const rgbParts = { ...size, bands: 3, data: Buffer.from(picture) } satisfies TiffParts;
const greyParts = { ...size, data: Buffer.from(grey) } satisfies TiffParts;

/** Samples as little-endian bytes, `size` bytes each. */
function samples(
  values: Iterable<number>,
  bytes: number,
  write: (view: Buffer, value: number, at: number) => void,
) {
  const all = [...values];
  const data = Buffer.alloc(all.length * bytes);
  all.forEach((value, i) => write(data, value, i * bytes));
  return data;
}
const deep = (values: Iterable<number>, factor = 257) =>
  samples(values, 2, (view, value, at) => view.writeUInt16LE(Math.round(value * factor), at));
const floats = (values: Iterable<number>, factor: number) =>
  samples(values, 4, (view, value, at) => view.writeFloatLE(value * factor, at));

/** The short side of the picture as it is, and downscaled. */
const SIDES = [100, 20] as const;

async function largestDifference(one: Buffer, other: Buffer, side: number): Promise<number> {
  const [a, b] = [await decodeImage(one, side), await decodeImage(other, side)];
  expect([a.width, a.height]).toEqual([b.width, b.height]);
  return Math.max(...a.pixels.map((level, i) => Math.abs(level - (b.pixels[i] ?? NaN))));
}

describe('formats that lose nothing', () => {
  it.each([
    ['interlaced PNG', () => rgb().png({ progressive: true }), 0],
    ['PNG with alpha', () => rgb().ensureAlpha().png(), 0],
    ['WebP', () => rgb().webp({ lossless: true }), 0],
    ['TIFF', () => rgb().tiff({ compression: 'lzw' }), 0],
    [
      'tiled TIFF',
      () => rgb().tiff({ compression: 'deflate', tile: true, tileWidth: 16, tileHeight: 16 }),
      0,
    ],
    ['AVIF', () => rgb().avif({ lossless: true, effort: 0 }), 0],
    // A tenth of a bit in 8 is lost on the way to YCbCr and back.
    [
      'AVIF of 10 bits',
      () => rgb().toColourspace('rgb16').avif({ lossless: true, bitdepth: 10, effort: 0 }),
      1,
    ],
  ] as const)('%s has the pixels of the PNG', async (_, make, tolerance) => {
    const [png, other] = [await rgb().png().toBuffer(), await make().toBuffer()];
    for (const side of SIDES) {
      expect(await largestDifference(png, other, side), `side ${side}`).toBeLessThanOrEqual(tolerance);
    }
  });

  it('GIF, 8-bit palette and PNG of the same few colours', async () => {
    const gif = await rgb().gif({ dither: 0 }).toBuffer();
    const few = await sharp(gif).removeAlpha().png().toBuffer();
    const palette = await sharp(few).png({ palette: true, dither: 0 }).toBuffer();
    for (const side of SIDES) {
      expect(await largestDifference(few, gif, side)).toBe(0);
      expect(await largestDifference(few, palette, side)).toBe(0);
    }
  });
});

describe('formats that lose', () => {
  it.each([
    ['JPEG', () => rgb().blur(3).jpeg({ quality: 95 })],
    ['lossy WebP', () => rgb().blur(3).webp({ quality: 95 })],
    ['lossy AVIF', () => rgb().blur(3).avif({ quality: 90, effort: 0 })],
  ] as const)('%s is close to the PNG, as it is and downscaled', async (_, make) => {
    const [png, other] = [await rgb().blur(3).png().toBuffer(), await make().toBuffer()];
    for (const side of SIDES) {
      const [a, b] = [await decodeImage(png, side), await decodeImage(other, side)];
      const difference = a.pixels.reduce((sum, level, i) => sum + Math.abs(level - (b.pixels[i] ?? NaN)), 0);
      expect(difference / a.pixels.length, `side ${side}`).toBeLessThan(4);
    }
  });
});

describe('16 bits', () => {
  const profiles = {
    none: undefined,
    'wide primaries': colourProfile(2.2, WIDE),
    'linear light': colourProfile(1, WIDE),
  };

  it.each(Object.entries(profiles))(
    'a TIFF with profile %s has the colours of the 8-bit one',
    async (_, profile) => {
      const more = profile === undefined ? {} : { profile };
      for (const side of SIDES) {
        const of8 = tiff({ ...rgbParts, ...more });
        const of16 = tiff({ ...rgbParts, ...more, bits: 16, data: deep(picture) });
        expect(await largestDifference(of8, of16, side)).toBeLessThanOrEqual(1);
      }
    },
  );

  it.each([undefined, 1.8, 1])('a grey TIFF with gamma %s has the levels of the 8-bit one', async (gamma) => {
    const more = gamma === undefined ? {} : { profile: colourProfile(gamma) };
    for (const side of SIDES) {
      const of8 = tiff({ ...greyParts, ...more });
      const of16 = tiff({ ...greyParts, ...more, bits: 16, data: deep(grey) });
      expect(await largestDifference(of8, of16, side)).toBeLessThanOrEqual(1);
    }
  });

  it.each(Object.entries(profiles))(
    'a PNG with profile %s, small, large and as a thumbnail',
    async (_, profile) => {
      const large = () => rgb().resize(640, 480, { kernel: 'nearest' });
      for (const image of [rgb, large]) {
        const of8 = withProfile(await image().png().toBuffer(), profile);
        const of16 = withProfile(await image().toColourspace('rgb16').png().toBuffer(), profile);
        expect(await sharp(of16).metadata()).toMatchObject({
          depth: 'ushort',
          hasProfile: profile !== undefined,
        });
        for (const side of SIDES) expect(await largestDifference(of8, of16, side)).toBeLessThanOrEqual(1);
        const root = folderWith({ '8.png': of8, '16.png': of16 });
        const shown8 = await thumbnail(root, '8.png', 16, sha256(of8));
        expect(shown8).toMatch(/^data:image/);
        expect(await thumbnail(root, '16.png', 16, sha256(of16))).toBe(shown8);
        // Another file than the one that was recorded is not shown in its place.
        expect(await thumbnail(root, '8.png', 16, sha256(of16))).toBeNull();
      }
    },
  );

  it("red stays red under sharp's own sRGB profile, in PNG and TIFF", async () => {
    const plain = sharp({ create: { width: 8, height: 8, channels: 3, background: '#f00' } });
    const { icc } = await sharp(await plain.clone().withIccProfile('srgb').png().toBuffer()).metadata();
    const png = withProfile(await plain.clone().toColourspace('rgb16').png().toBuffer(), icc);
    const data = deep(Array.from({ length: 8 * 8 * 3 }, (_, i) => (i % 3 === 0 ? 255 : 0)));
    for (const bytes of [png, tiff({ width: 8, height: 8, bands: 3, bits: 16, data, profile: icc! })]) {
      expect(await sharp(bytes).metadata()).toMatchObject({ depth: 'ushort', hasProfile: true });
      expect([...(await decodeImage(bytes, 100)).pixels.subarray(0, 3)]).toEqual([255, 0, 0]);
    }
  });

  it('is decoded, and noted, where 12 or 14 bits lie in 16', async () => {
    for (const bits of [12, 14]) {
      const faint = deep(grey, (2 ** bits - 1) / 255);
      expect((await decodeImage(tiff({ ...greyParts, bits: 16, data: faint }), 20)).oddities).toEqual([
        'faint',
      ]);
      // White is zero: nearly white instead.
      const white = tiff({ ...greyParts, bits: 16, data: faint, colours: 0 });
      expect((await decodeImage(white, 20)).oddities).toEqual(['faint']);
      const png = await sharp(tiff({ ...greyParts, bits: 16, data: faint }))
        .toColourspace('grey16')
        .png()
        .toBuffer();
      expect(await sharp(png).metadata()).toMatchObject({ depth: 'ushort' });
      expect((await decodeImage(png, 100)).oddities).toEqual(['faint']);
    }
    expect((await decodeImage(tiff({ ...greyParts, bits: 16, data: deep(grey) }), 20)).oddities).toEqual([]);
  });
});

describe('samples of TIFF files', () => {
  const alpha = (level: (i: number) => number) =>
    Buffer.from([...grey].flatMap((_, i) => [...picture.subarray(3 * i, 3 * i + 3), level(i)]));
  const solid = alpha(() => 255);
  const halves = (values: Iterable<number>) =>
    samples(values, 2, (view, value, at) => view.writeUInt16LE(half(value / 255), at));
  const packed = (bits: number) => {
    const all = [...grey].map((level) =>
      Math.round((level * (2 ** bits - 1)) / 255)
        .toString(2)
        .padStart(bits, '0'),
    );
    return Buffer.from((all.join('').match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  };

  it.each<[string, Buffer, number]>([
    ['8 bits', tiff(greyParts), 0],
    ['big-endian', tiff({ ...greyParts, bigEndian: true }), 0],
    ['BigTIFF', tiff({ ...greyParts, big: true }), 0],
    [
      'white is zero',
      tiff({ ...greyParts, colours: 0, data: grey.map((level) => 255 - level) as Buffer }),
      0,
    ],
    ['16 bits', tiff({ ...greyParts, bits: 16, data: deep(grey) }), 0],
    [
      '16 bits, white is zero',
      tiff({ ...greyParts, bits: 16, colours: 0, data: deep(grey.map((level) => 255 - level)) }),
      0,
    ],
    ['of undefined format', tiff({ ...greyParts, format: 4 }), 0],
    ['4 bits', tiff({ ...greyParts, bits: 4, data: packed(4) }), 9],
    ['1 bit', tiff({ ...greyParts, bits: 1, data: packed(1) }), 128],
    [
      'with transparency',
      tiff({
        ...greyParts,
        bands: 2,
        extra: [2],
        data: Buffer.from([...grey].flatMap((level) => [level, 255])),
      }),
      0,
    ],
  ])('grey, %s: decoded', async (_, bytes, tolerance) => {
    const png = await sharp(grey, { raw: { ...size, channels: 1 } })
      .png()
      .toBuffer();
    expect(await largestDifference(png, bytes, 100)).toBeLessThanOrEqual(tolerance);
  });

  it.each<[string, Buffer]>([
    ['8 bits', tiff(rgbParts)],
    ['16 bits', tiff({ ...rgbParts, bits: 16, data: deep(picture) })],
    ['big-endian with alpha', tiff({ ...rgbParts, bands: 4, extra: [2], data: solid, bigEndian: true })],
    ['premultiplied', tiff({ ...rgbParts, bands: 4, extra: [1], data: solid })],
    ['BigTIFF', tiff({ ...rgbParts, big: true })],
  ])('colour, %s: decoded', async (_, bytes) => {
    expect(await largestDifference(await rgb().png().toBuffer(), bytes, 100)).toBe(0);
  });

  it('CMYK: 8 and 16 bits alike', async () => {
    const ink = Buffer.from([...grey].flatMap((level, i) => [level, picture[3 * i]!, 255 - level, 0]));
    const parts = { ...size, bands: 4, colours: 5 };
    const [of8, of16] = [tiff({ ...parts, data: ink }), tiff({ ...parts, bits: 16, data: deep(ink) })];
    expect(await largestDifference(of8, of16, 100)).toBeLessThanOrEqual(1);
    expect((await decodeImage(of8, 100)).oddities).toEqual([]);
  });

  const signed = samples(grey, 2, (view, value, at) => view.writeInt16LE(Math.round(7 * value - 1000), at));
  const wide = samples(grey, 4, (view, value, at) => view.writeUInt32LE(value * 0x1010101, at));
  const doubles = samples(grey, 8, (view, value, at) => view.writeDoubleLE(value / 255, at));
  it.each<[string, Buffer, string]>([
    [
      'float 0 to 1',
      tiff({ ...greyParts, bits: 32, format: 3, data: floats(grey, 1 / 255) }),
      '32-bit float samples',
    ],
    [
      'float 0 to 4095',
      tiff({ ...greyParts, bits: 32, format: 3, data: floats(grey, 16) }),
      '32-bit float samples',
    ],
    [
      'colour floats',
      tiff({ ...rgbParts, bits: 32, format: 3, data: floats(picture, 1 / 255) }),
      '32-bit float samples',
    ],
    ['half floats', tiff({ ...greyParts, bits: 16, format: 3, data: halves(grey) }), '16-bit float samples'],
    ['doubles', tiff({ ...greyParts, bits: 64, format: 3, data: doubles }), '64-bit float samples'],
    [
      'signed, as of a CT',
      tiff({ ...greyParts, bits: 16, format: 2, data: signed }),
      '16-bit signed samples',
    ],
    ['signed bytes', tiff({ ...greyParts, format: 2 }), '8-bit signed samples'],
    [
      'signed, big-endian',
      tiff({ ...greyParts, bits: 16, format: 2, data: signed.swap16(), bigEndian: true }),
      '16-bit signed samples',
    ],
    [
      'floats in BigTIFF',
      tiff({ ...greyParts, bits: 32, format: 3, data: floats(grey, 1), big: true }),
      '32-bit float samples',
    ],
    ['32 bits', tiff({ ...greyParts, bits: 32, data: wide }), '32-bit unsigned samples'],
    ['12 bits, packed', tiff({ ...greyParts, bits: 12, data: packed(12) }), '12-bit unsigned samples'],
    [
      'a near-infrared band',
      tiff({ ...rgbParts, bands: 4, extra: [0], data: alpha((i) => i % 50) }),
      '4 bands instead of 3',
    ],
    [
      'a band not explained',
      tiff({ ...rgbParts, bands: 4, data: alpha((i) => i % 50) }),
      '4 bands instead of 3',
    ],
    [
      'four bands of grey',
      tiff({ ...rgbParts, bands: 4, colours: 1, extra: [0, 0, 0], data: solid }),
      '4 bands instead of 1',
    ],
    ['two bands', tiff({ ...greyParts, bands: 2, data: deep(grey) }), '2 bands instead of 1'],
    ['Lab', tiff({ ...rgbParts, colours: 8 }), 'CIE Lab colours'],
    ['Lab of 16 bits', tiff({ ...rgbParts, bits: 16, colours: 8, data: deep(picture) }), 'CIE Lab colours'],
  ])('%s: refused with the reason and the remedy', async (_, bytes, reason) => {
    const error: unknown = await decodeImage(bytes, 100).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(Error);
    const { message } = error as Error;
    expect(message).toMatch(new RegExp(`^${reason}`));
    expect(message).toMatch(/: save it as (8 or 16 bit unsigned|RGB( or grey)?)$/);
  });

  it("a header that points outside of the file is the decoder's to refuse", async () => {
    const whole = tiff(rgbParts);
    for (let length = 8; length < whole.length; length += 97) {
      await expect(decodeImage(whole.subarray(0, length), 100)).rejects.toThrow(/.{5,}/);
    }
  });
});

describe('HEIC that is called .jpg', () => {
  // 64 x 48 pixels of one colour, made with libheif's heif-enc and x265.
  const heic = Buffer.from(
    'AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAa1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA' +
      'AA5waXRtAAAAAAACAAAAEGlkYXQAAAAAAEAAMAAAADhpbG9jAQAAAERAAAIAAQAAAAAAAAHRAAEAAAAAAAAAWgACAAEAAAAAAAAA' +
      'AQAAAAAAAAAIAAAAOGlpbmYAAAAAAAIAAAAVaW5mZQIAAAEAAQAAaHZjMQAAAAAVaW5mZQIAAAAAAgAAZ3JpZAAAAADYaXBycAAA' +
      'ALZpcGNvAAAAdmh2Y0MBA3AAAAAAAAAAAAD/8AD8/fj4AAAPAyAAAQAYQAEMAf//A3AAAAMAkAAAAwAAAwD/ugJAIQABACpCAQED' +
      'cAAAAwCQAAADAAADAP+gIIEFlurkprm4EBAwIAAAAwAgAAADACEiAAEABkQBwXGJEgAAABRpc3BlAAAAAAAAAEAAAABAAAAAFGlz' +
      'cGUAAAAAAAAAQAAAADAAAAAQcGl4aQAAAAADCAgIAAAAGmlwbWEAAAAAAAAAAgABAoECAAICA4QAAAAaaXJlZgAAAAAAAAAOZGlt' +
      'ZwACAAEAAQAAAGJtZGF0AAAAVigBrwW4H1pGuAYcEPOnnnnnoZppppppyLxX//yJ2v//1yyzabhChQoULkyZMmTJkTT/9j3QA/w/' +
      '4X3ebNmzZs+fPnz58+d0VsSxCyhy/TimpgRyrOKI',
    'base64',
  );

  it('gets the sentence that .heic gets', async () => {
    await expect(decodeImage(heic, 100)).rejects.toThrow(/^HEIC cannot be decoded here: convert it to JPEG$/);
    expect(fileKind('a.heic')).toEqual({
      kind: 'refused',
      reason: 'HEIC cannot be decoded here: convert it to JPEG',
    });
  });
});

/** A PNG with a colour profile in the chunk that follows its header (PNG specification, 11.3.3.3). */
function withProfile(png: Buffer, profile: Buffer | undefined): Buffer {
  if (profile === undefined) return png;
  const body = Buffer.concat([Buffer.from('iCCPtest\0\0', 'latin1'), deflateSync(profile)]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(body.length - 4, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  const afterHeader = 8 + 25;
  return Buffer.concat([png.subarray(0, afterHeader), chunk, png.subarray(afterHeader)]);
}

/** A number from 0 to 1 as an IEEE half float, cut to 10 bits behind the point. */
function half(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(value));
  return ((exponent + 15) << 10) | Math.floor((value / 2 ** exponent - 1) * 1024);
}
