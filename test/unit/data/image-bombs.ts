import { crc32, deflateSync } from 'node:zlib';
import type { DamagedFile } from './damage.js';

/** One chunk of a PNG (PNG specification, section 5.3). */
function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** A PNG of grey pixels whose parts may contradict each other. */
function png(width: number, height: number, depth: number, data: Buffer, extra: Buffer[] = []): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = depth;
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    ...extra,
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const zeros = (bytes: number) => deflateSync(Buffer.alloc(bytes), { level: 9 });

const XXE = `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY secret SYSTEM "file:///etc/passwd">]>
<svg xmlns="http://www.w3.org/2000/svg" width="50" height="50"><text y="20">&secret;</text></svg>`;
const LAUGHS = `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "ha">${Array.from({ length: 12 }, (_, i) => {
  const [name, before] = [String.fromCharCode(98 + i), String.fromCharCode(97 + i)];
  return `<!ENTITY ${name} "${`&${before};`.repeat(10)}">`;
}).join('')}]><svg xmlns="http://www.w3.org/2000/svg" width="50" height="50"><text>&m;</text></svg>`;

/** Small files that claim, or unpack to, far more than they should. `refused`: none of them may become an image. */
export function imageBombs(): readonly (DamagedFile & { readonly refused: boolean })[] {
  const gif = Buffer.from(
    'GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;',
    'latin1',
  );
  return [
    // 900 megapixels of one bit each: 110 MB unpacked, 110 KB packed.
    { name: 'bomb-900-megapixels.png', refused: true, bytes: png(30_000, 30_000, 1, zeros(30_000 * 3751)) },
    // Just below the limit of 100 megapixels.
    { name: 'bomb-99-megapixels.png', refused: false, bytes: png(9_900, 9_999, 1, zeros(9_999 * 1239)) },
    // 16 x 16 pixels, and 64 MB of data behind them.
    { name: 'bomb-too-much-data.png', refused: false, bytes: png(16, 16, 8, zeros(64e6)) },
    {
      name: 'bomb-text.png',
      refused: false,
      bytes: png(16, 16, 8, zeros(17 * 16), [
        chunk('zTXt', Buffer.concat([Buffer.from('Comment\0\0', 'latin1'), zeros(256e6)])),
      ]),
    },
    {
      name: 'bomb-profile.png',
      refused: false,
      bytes: png(16, 16, 8, zeros(17 * 16), [
        chunk('iCCP', Buffer.concat([Buffer.from('icc\0\0', 'latin1'), zeros(256e6)])),
      ]),
    },
    { name: 'bomb-of-no-width.png', refused: true, bytes: png(0, 16, 8, zeros(16)) },
    { name: 'bomb-65535-squared.gif', refused: true, bytes: gif },
    { name: 'entities.png', refused: true, bytes: Buffer.from(XXE) },
    { name: 'billion-laughs.jpg', refused: true, bytes: Buffer.from(LAUGHS) },
    { name: 'entities.svg', refused: true, bytes: Buffer.from(XXE) },
  ];
}
