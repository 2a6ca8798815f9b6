/** XYZ of red, green and blue at full strength, relative to D50. */
type Primaries = readonly [readonly number[], readonly number[], readonly number[]];

/** Those of Adobe RGB (1998), adapted to D50. */
export const WIDE: Primaries = [
  [0.60974, 0.31111, 0.01947],
  [0.20528, 0.62567, 0.06087],
  [0.14919, 0.06322, 0.74457],
];

/** An ICC profile (version 2.1, ICC.1:1998-09): RGB with these primaries, or grey where there are none; one gamma for all. */
export function colourProfile(gamma: number, primaries?: Primaries): Buffer {
  const curve = Buffer.concat([text('curv'), u32(0), u32(1), u16(Math.round(256 * gamma)), u16(0)]);
  const description = Buffer.concat([text('desc'), u32(0), u32(5), text('test\0'), Buffer.alloc(78 + 1)]);
  const tags: [string, Buffer][] = [
    ['desc', description],
    ['cprt', Buffer.concat([text('text'), u32(0), text('none\0'), Buffer.alloc(3)])],
    ['wtpt', xyz([0.9642, 1, 0.8249])],
    ...(primaries === undefined
      ? [['kTRC', curve] as [string, Buffer]]
      : primaries.flatMap((primary, i): [string, Buffer][] => [
          [`${'rgb'[i]}XYZ`, xyz(primary)],
          [`${'rgb'[i]}TRC`, curve],
        ])),
  ];
  let at = 128 + 4 + 12 * tags.length;
  const table = tags.map(([name, body]) => {
    const entry = Buffer.concat([text(name), u32(at), u32(body.length)]);
    at += body.length;
    return entry;
  });
  const header = Buffer.alloc(128);
  header.writeUInt32BE(at, 0);
  header.writeUInt32BE(0x02100000, 8);
  header.write(`mntr${primaries === undefined ? 'GRAY' : 'RGB '}XYZ `, 12, 'latin1');
  header.writeUInt16BE(2000, 24);
  header.writeUInt16BE(1, 26);
  header.writeUInt16BE(1, 28);
  header.write('acsp', 36, 'latin1');
  xyz([0.9642, 1, 0.8249]).copy(header, 68, 8);
  return Buffer.concat([header, u32(tags.length), ...table, ...tags.map(([, body]) => body)]);
}

const text = (value: string) => Buffer.from(value, 'latin1');

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** An XYZType tag: numbers with 16 bits behind the point. */
const xyz = (values: readonly number[]) =>
  Buffer.concat([text('XYZ '), u32(0), ...values.map((value) => u32(Math.round(65536 * value)))]);
