import type { RealImage } from './real-images.js';

/** A file as an attacker, a broken disk or a careless rename may leave it. */
export interface DamagedFile {
  readonly name: string;
  readonly bytes: Buffer;
}

type Random = () => number;
type Damage = (bytes: Buffer, random: Random) => Buffer;

const at = (bytes: Buffer, random: Random) => Math.floor(random() * bytes.length);

/** Each kind of damage, by the name that a message shows. */
const DAMAGES: Readonly<Record<string, Damage>> = {
  intact: (bytes) => bytes,
  empty: () => Buffer.alloc(0),
  'cut anywhere': (bytes, random) => bytes.subarray(0, at(bytes, random)),
  'cut in the header': (bytes, random) => bytes.subarray(0, Math.floor(random() * 64)),
  'cut near the end': (bytes, random) => bytes.subarray(0, bytes.length - 1 - Math.floor(random() * 16)),
  'one bit': (bytes, random) => flipped(bytes, random, 1),
  'some bits': (bytes, random) => flipped(bytes, random, 2 + Math.floor(random() * 30)),
  'bits of the header': (bytes, random) =>
    Buffer.concat([flipped(bytes.subarray(0, 64), random, 3), bytes.subarray(64)]),
  zeros: (bytes, random) => overwritten(bytes, random, () => 0),
  ones: (bytes, random) => overwritten(bytes, random, () => 255),
  noise: (bytes, random) => overwritten(bytes, random, () => Math.floor(random() * 256)),
  'a piece missing': (bytes, random) => {
    const from = at(bytes, random);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + 1 + Math.floor(random() * 99))]);
  },
  'a piece twice': (bytes, random) => {
    const from = at(bytes, random);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(Math.max(0, from - 200))]);
  },
  'large numbers': (bytes, random) => {
    // Sizes, offsets and counts lie near the front in every format.
    const copy = Buffer.from(bytes);
    const value = [0x7fffffff, 0xffffffff, 0x10000, 0x8000][Math.floor(random() * 4)] ?? 0;
    const place = Math.floor(random() * Math.min(256, bytes.length - 4));
    if (random() < 0.5) copy.writeUInt32BE(value, place);
    else copy.writeUInt32LE(value, place);
    return copy;
  },
  'more behind the end': (bytes, random) =>
    Buffer.concat([bytes, Buffer.alloc(Math.floor(random() * 5000), 7)]),
};

function flipped(bytes: Buffer, random: Random, bits: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = 0; i < bits && copy.length > 0; i++) {
    const place = at(copy, random);
    copy[place] = (copy[place] ?? 0) ^ (1 << Math.floor(random() * 8));
  }
  return copy;
}

function overwritten(bytes: Buffer, random: Random, value: () => number): Buffer {
  const copy = Buffer.from(bytes);
  const from = at(copy, random);
  for (let i = from; i < Math.min(copy.length, from + 1 + Math.floor(random() * 60)); i++) copy[i] = value();
  return copy;
}

/** So many damaged files: the images in turn, each with damage by chance, a tenth of them under another's name. */
export function* damagedFiles(
  images: readonly RealImage[],
  random: Random,
  count: number,
): Generator<DamagedFile> {
  const damages = Object.entries(DAMAGES);
  for (let i = 0; i < count; i++) {
    const image = images[i % images.length];
    const [kind, damage] = damages[Math.floor(random() * damages.length)] ?? [];
    if (image === undefined || damage === undefined) return;
    const renamed = random() < 0.1;
    const extension = renamed ? images[Math.floor(random() * images.length)]?.extension : image.extension;
    const words = `${i}-${image.kind}-${kind}`.replaceAll(/\W+/g, '-');
    yield { name: `${words}.${extension}`, bytes: damage(image.bytes, random) };
  }
}
