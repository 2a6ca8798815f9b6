import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { SIDE } from '../../src/data/check/perceptual-hash.js';
import { Pictures } from '../../src/data/check/near-duplicates.js';
import { scanImageFolder } from '../../src/data/folder/scan.js';
import { examineImage } from '../../src/data/images/decode.js';

// How many altered copies of the images of a folder are found, and which pairs are found among the images themselves:
// npx tsx test/bench/near-duplicates.ts data/cifar10-mini

interface Upright {
  readonly file: Buffer;
  readonly width: number;
  readonly height: number;
}

const part = ({ width, height }: Upright, left: number, top: number, right: number, bottom: number) => ({
  left: Math.round(left * width),
  top: Math.round(top * height),
  width: width - Math.round(left * width) - Math.round(right * width),
  height: height - Math.round(top * height) - Math.round(bottom * height),
});

const COPIES: Readonly<Record<string, (image: Upright) => Sharp>> = {
  'JPEG of quality 60': ({ file }) => sharp(file).jpeg({ quality: 60 }),
  'half the size': ({ file, width }) =>
    sharp(file)
      .resize(Math.max(1, Math.round(width / 2)))
      .png(),
  'twice the size': ({ file, width }) =>
    sharp(file)
      .resize(2 * width)
      .png(),
  '5% cut off each side': (image) =>
    sharp(image.file)
      .extract(part(image, 0.05, 0.05, 0.05, 0.05))
      .png(),
  '5% cut off two sides': (image) =>
    sharp(image.file)
      .extract(part(image, 0.05, 0.05, 0, 0))
      .png(),
  '10% cut off one side': (image) =>
    sharp(image.file)
      .extract(part(image, 0.1, 0, 0, 0))
      .png(),
  '10% cut off each side': (image) =>
    sharp(image.file)
      .extract(part(image, 0.1, 0.1, 0.1, 0.1))
      .png(),
  '30% brighter': ({ file }) => sharp(file).modulate({ brightness: 1.3 }).png(),
  mirrored: ({ file }) => sharp(file).flop().png(),
  'mirrored, half, quality 60': ({ file, width }) =>
    sharp(file)
      .flop()
      .resize(Math.max(1, Math.round(width / 2)))
      .jpeg({ quality: 60 }),
};

const root = resolve(process.argv[2] ?? 'data/cifar10-mini');
const { train, valid } = await scanImageFolder(root, { valSplit: 0.2, seed: 0, followLinks: false });
const paths = [...train, ...valid].map(({ path }) => path);
const originals = await Promise.all(
  paths.map(async (path) => (await examineImage(readFileSync(join(root, path)), SIDE)).grey),
);

const own = new Pictures(paths.length);
originals.forEach((grey, i) => own.put(i, grey));
const begun = performance.now();
const found = await own.nearDuplicates();
const seconds = ((performance.now() - begun) / 1000).toFixed(2);
console.log(`${root}: ${paths.length} images, ${found.plain} of them too plain, searched in ${seconds} s`);
for (const { pictures, similarity, mirrored } of found.pairs.toSorted(
  (a, b) => b.similarity - a.similarity,
)) {
  const [a, b] = pictures.map((i) => paths[i]);
  console.log(`  ${similarity.toFixed(3)} ${a} ${b}${mirrored ? ' mirrored' : ''}`);
}

const stride = Math.max(1, Math.floor(paths.length / 400));
const chosen = [...paths.keys()].filter((i) => i % stride === 0);
for (const [name, copy] of Object.entries(COPIES)) {
  const pictures = new Pictures(paths.length + chosen.length);
  originals.forEach((grey, i) => pictures.put(i, grey));
  for (const [at, i] of chosen.entries()) {
    const turned = await sharp(readFileSync(join(root, paths[i]!)))
      .autoOrient()
      .png({ compressionLevel: 1 })
      .toBuffer();
    const { width, height } = await sharp(turned).metadata();
    const altered = await copy({ file: turned, width, height }).toBuffer();
    pictures.put(paths.length + at, (await examineImage(altered, SIDE)).grey);
  }
  const { pairs } = await pictures.nearDuplicates();
  const right = pairs.filter(({ pictures: [a, b] }) => {
    const [low, high] = [Math.min(a, b), Math.max(a, b)];
    return high >= paths.length && chosen[high - paths.length] === low;
  });
  const others = pairs.length - right.length - found.pairs.length;
  const least = Math.min(...right.map(({ similarity }) => similarity));
  console.log(
    `${name}: ${right.length} of ${chosen.length} copies found, least similarity ${least.toFixed(3)}; ${others} more pairs than among the originals`,
  );
}
