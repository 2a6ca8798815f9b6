// Makes the tiny data set of the cluster test: npx tsx test/cluster/make-images.ts DIR
import { tinyImages } from '../integration/tiny-images.js';

const [dir] = process.argv.slice(2);
if (dir === undefined) throw new Error('expected a folder');
await tinyImages(dir, { train: 24, valid: 20 });
