import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import type { DataCheckDocument } from '../../src/runs/documents.js';
import { ROOT } from '../integration/run-cli.js';
import { watchedRun } from '../soak/watched-run.js';

// Time and largest memory of `data check` on many images that are made here: each a mixture of two of the bundled ones, and of every
// hundred one copied byte for byte and one saved again at half the size. npx tsx test/bench/data-check.ts --images 100000
const { values } = parseArgs({
  options: {
    images: { type: 'string', default: '20000' },
    side: { type: 'string', default: '64' },
    /** A folder of an earlier call, or one to keep. */
    dir: { type: 'string' },
  },
});
const images = Number(values.images);
const side = Number(values.side);
const dir = values.dir ?? mkdtempSync(join(tmpdir(), 'onecycle-many-'));
const PER_FOLDER = Math.ceil(images / 10);
const OF = 100;

const bundled = join(ROOT, 'data', 'cifar10-mini', 'train');
const files = readdirSync(bundled).flatMap((name) =>
  readdirSync(join(bundled, name)).map((file) => join(bundled, name, file)),
);
const SIDE = 32;
const sources = await Promise.all(files.map((file) => sharp(file).removeAlpha().raw().toBuffer()));

/** A number from 0 to below 1 for each place and image: the same on every machine. */
function chance(image: number, place: number): number {
  let state = Math.imul(image + 1, 0x9e3779b1) ^ Math.imul(place + 1, 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 16), 0x7feb352d);
  state = Math.imul(state ^ (state >>> 15), 0x846ca68b);
  return ((state ^ (state >>> 16)) >>> 0) / 2 ** 32;
}

interface Layer {
  readonly source: Buffer;
  readonly step: number;
  readonly left: number;
  readonly top: number;
}

function placeIn({ step, left, top }: Layer, x: number, y: number): number {
  return 3 * (Math.floor(top + y * step) * SIDE + Math.floor(left + x * step));
}

/** Two pictures laid over each other, each a random part of one, enlarged. */
function mixture(image: number): Buffer {
  const layers = [0, 10].map((k): Layer => {
    const scale = 0.5 + 0.4 * chance(image, k);
    const [left, top] = [chance(image, k + 1), chance(image, k + 2)].map(
      (share) => share * (1 - scale) * (SIDE - 1),
    );
    const source = sources[Math.floor(chance(image, k + 3) * sources.length)]!;
    return { source, step: (scale * (SIDE - 1)) / (side - 1), left: left!, top: top! };
  });
  const share = 0.35 + 0.3 * chance(image, 20);
  const pixels = Buffer.alloc(3 * side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const [from = 0, to = 0] = layers.map((layer) => placeIn(layer, x, y));
      for (let c = 0; c < 3; c++) {
        const [a, b] = [layers[0]!.source[from + c]!, layers[1]!.source[to + c]!];
        pixels[3 * (y * side + x) + c] = share * a + (1 - share) * b;
      }
    }
  }
  return pixels;
}

const pathOf = (image: number) =>
  join(dir, 'train', `class ${Math.floor(image / PER_FOLDER)}`, `${image}.jpg`);
let exact = 0;
let near = 0;
for (let image = 0; image < images; image++) {
  if (image % PER_FOLDER === 0)
    mkdirSync(join(dir, 'train', `class ${image / PER_FOLDER}`), { recursive: true });
  const kind = image % OF === 98 ? 'exact' : image % OF === 99 ? 'near' : 'own';
  if (kind === 'exact') exact++;
  if (kind === 'near') near++;
  if (existsSync(pathOf(image))) continue;
  if (kind === 'exact') copyFileSync(pathOf(image - 50), pathOf(image));
  else if (kind === 'near')
    await sharp(pathOf(image - 50))
      .resize(side / 2)
      .jpeg({ quality: 70 })
      .toFile(pathOf(image));
  else {
    const raw = { width: side, height: side, channels: 3 } as const;
    await sharp(mixture(image), { raw }).jpeg({ quality: 90 }).toFile(pathOf(image));
  }
}
console.log(`${images} images of ${side} pixels in ${dir}`);

const { code, stdout, stderr, peak, seconds } = await watchedRun(['data', 'check', dir, '--json', '--quiet']);
if (code !== 0) throw new Error(stderr);
const { duplicates, search } = JSON.parse(stdout) as DataCheckDocument;
const numberOf = (path: string) => Number(/(\d+)\.jpg$/u.exec(path)?.[1]);
const found = { exact: 0, near: 0, other: 0 };
for (const { kind, images: members } of duplicates) {
  const numbers = members.map(({ path }) => numberOf(path)).sort((a, b) => a - b);
  const planted = numbers.length === 2 && numbers[1]! - numbers[0]! === 50 && numbers[1]! % OF >= 98;
  found[planted ? kind : 'other']++;
}
console.log(
  `checked in ${seconds.toFixed(0)} s, largest memory ${(peak / 1e6).toFixed(0)} MB; found ${found.exact} of ${exact} exact and ` +
    `${found.near} of ${near} near copies, ${found.other} other groups; hashes within ${search.bits} bits`,
);
if (values.dir === undefined) rmSync(dir, { recursive: true });
