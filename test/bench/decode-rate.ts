import sharp from 'sharp';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { scanImageFolder } from '../../src/data/folder/scan.js';
import { imagesAtATime, prepareImages } from '../../src/data/images/prepare.js';

// Images decoded per second by the program (listed, hashed, checked, decoded, stored) and by bare sharp that decodes the
// same files to the same size with as many at a time, in turns. Prints one JSON line.
const { values } = parseArgs({
  options: {
    data: { type: 'string', default: 'data/cifar10-mini' },
    size: { type: 'string', default: '96' },
    rounds: { type: 'string', default: '3' },
  },
});
const imageSize = Number(values.size);
const shortSide = Math.round(1.25 * imageSize);
const scan = { valSplit: 0.2, seed: 0, followLinks: true };
const folder = await scanImageFolder(values.data, scan);
const files = [...folder.train, ...folder.valid].map(({ path }) => join(folder.root, path));

// Decoding is measured, not what is kept of it.
process.env['ONECYCLE_CACHE_SIZE'] = '0';

async function ours(): Promise<void> {
  const { store } = await prepareImages(await scanImageFolder(values.data, scan), { imageSize });
  store.close();
}

async function bareSharp(): Promise<void> {
  const waiting = files.values();
  const serve = async () => {
    for (const file of waiting) {
      const resize = {
        width: shortSide,
        height: shortSide,
        fit: 'outside',
        withoutEnlargement: true,
      } as const;
      await sharp(file).resize(resize).raw().toBuffer();
    }
  };
  await Promise.all(Array.from({ length: imagesAtATime() }, serve));
}

async function perSecond(work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return files.length / ((performance.now() - begin) / 1000);
}

const measured = { onecycle: [] as number[], sharp: [] as number[] };
for (let round = 0; round <= Number(values.rounds); round++) {
  const theirs = await perSecond(bareSharp);
  const own = await perSecond(ours);
  // The first round warms the file system's cache and the compiler.
  if (round === 0) continue;
  measured.sharp.push(theirs);
  measured.onecycle.push(own);
}
console.log(JSON.stringify({ images: files.length, perSecond: measured }));
