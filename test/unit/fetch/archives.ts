type Files = readonly (readonly [name: string, content: string | Buffer])[];

/** A tar archive (POSIX ustar) with these files, whatever their names are. `size` is stated instead of the true one. */
export function tarOf(files: Files, { size }: { readonly size?: number } = {}): Buffer {
  const blocks = files.flatMap(([path, content]) => {
    const bytes = Buffer.from(content);
    const header = Buffer.alloc(512);
    // A long name is divided at a slash: its first part has a field of its own.
    const cut = path.length <= 100 ? -1 : path.indexOf('/', path.length - 101);
    header.write(path.slice(cut + 1), 0);
    if (cut >= 0) header.write(path.slice(0, cut), 345);
    const octal = (value: number, at: number, length: number) =>
      header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at);
    octal(0o644, 100, 8);
    octal(0, 108, 8);
    octal(0, 116, 8);
    octal(size ?? bytes.length, 124, 12);
    octal(0, 136, 12);
    header.write('        0', 148);
    header.write('ustar\x0000', 257);
    octal(
      [...header].reduce((sum, byte) => sum + byte, 0),
      148,
      7,
    );
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** A zip archive with these files, stored as they are, whatever their names are. `mode`: the kind and rights that Unix keeps of each. */
export function zipOf(files: Files, { mode = 0o100644 }: { readonly mode?: number } = {}): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const [path, content] of files) {
    const [name, bytes] = [Buffer.from(path), Buffer.from(content)];
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(0x0800, 2);
    shared.writeUInt32LE(crc32(bytes), 10);
    shared.writeUInt32LE(bytes.length, 14);
    shared.writeUInt32LE(bytes.length, 18);
    shared.writeUInt16LE(name.length, 22);
    const record = Buffer.concat([Buffer.from('PK\x03\x04'), shared, name, bytes]);
    const listed = Buffer.alloc(14);
    listed.writeUInt32LE((mode << 16) >>> 0, 6);
    listed.writeUInt32LE(at, 10);
    central.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x03', 'latin1'), shared, listed, name]));
    local.push(record);
    at += record.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...local, directory, end]);
}

/** CRC-32 as ISO 3309 has it. */
function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
