/** What a TIFF file is made from: one strip, not compressed, the samples of a pixel side by side. */
export interface TiffParts {
  readonly width: number;
  readonly height: number;
  /** Little endian, or in the order that `bigEndian` says. */
  readonly data: Buffer;
  readonly bands?: number;
  readonly bits?: number;
  /** PhotometricInterpretation; black is zero for one or two bands, else RGB. */
  readonly colours?: number;
  /** SampleFormat: 1 unsigned, 2 signed, 3 float. */
  readonly format?: number;
  /** ExtraSamples: 0 unspecified, 1 and 2 transparency. */
  readonly extra?: readonly number[];
  readonly profile?: Buffer;
  readonly bigEndian?: boolean;
  /** As BigTIFF, with 64-bit offsets. */
  readonly big?: boolean;
}

/** A TIFF file (TIFF 6.0, sections 2 to 8) of any kind of samples, also such as no library writes. */
export function tiff(parts: TiffParts): Buffer {
  const { width, height, data, bands = 1, bits = 8, format, extra, profile, bigEndian, big = false } = parts;
  const colours = parts.colours ?? (bands < 3 ? 1 : 2);
  const number = (size: number, value: number): Buffer => {
    const bytes = Buffer.alloc(size);
    if (size === 8) bytes.writeBigUInt64LE(BigInt(value));
    else bytes.writeUIntLE(value, 0, size);
    return bigEndian === true ? bytes.reverse() : bytes;
  };
  const shorts = (values: readonly number[]) => values.map((value) => number(2, value));
  const start = big ? 16 : 8;
  const entries: { tag: number; type: number; values: readonly Buffer[] }[] = [
    { tag: 256, type: 4, values: [number(4, width)] },
    { tag: 257, type: 4, values: [number(4, height)] },
    { tag: 258, type: 3, values: shorts(Array<number>(bands).fill(bits)) },
    { tag: 259, type: 3, values: shorts([1]) },
    { tag: 262, type: 3, values: shorts([colours]) },
    { tag: 273, type: 4, values: [number(4, start)] },
    { tag: 277, type: 3, values: shorts([bands]) },
    { tag: 278, type: 4, values: [number(4, height)] },
    { tag: 279, type: 4, values: [number(4, data.length)] },
    { tag: 284, type: 3, values: shorts([1]) },
    ...(extra === undefined ? [] : [{ tag: 338, type: 3, values: shorts(extra) }]),
    ...(format === undefined
      ? []
      : [{ tag: 339, type: 3, values: shorts(Array<number>(bands).fill(format)) }]),
    ...(profile === undefined
      ? []
      : [{ tag: 34675, type: 7, values: [...profile].map((byte) => Buffer.of(byte)) }]),
  ];
  const even = (bytes: Buffer) => (bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]));
  const strip = even(data);
  const [countSize, entrySize, offsetSize] = big ? [8, 20, 8] : [2, 12, 4];
  const tableAt = start + strip.length;
  let outsideAt = tableAt + countSize + entrySize * entries.length + offsetSize;
  const outside: Buffer[] = [];
  const table = entries.map(({ tag, type, values }) => {
    const bytes = Buffer.concat(values);
    const head = [number(2, tag), number(2, type), number(offsetSize, values.length)];
    if (bytes.length <= offsetSize) {
      return Buffer.concat([...head, bytes, Buffer.alloc(offsetSize - bytes.length)]);
    }
    const at = outsideAt;
    outside.push(even(bytes));
    outsideAt += even(bytes).length;
    return Buffer.concat([...head, number(offsetSize, at)]);
  });
  const order = Buffer.from(bigEndian === true ? 'MM' : 'II');
  const header = big
    ? [order, number(2, 43), number(2, 8), number(2, 0), number(8, tableAt)]
    : [order, number(2, 42), number(4, tableAt)];
  const end = Buffer.alloc(offsetSize);
  return Buffer.concat([...header, strip, number(countSize, entries.length), ...table, end, ...outside]);
}
