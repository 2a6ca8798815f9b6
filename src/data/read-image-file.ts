import { closeSync, fstatSync, open, read } from 'node:fs';
import { promisify } from 'node:util';
import { messageOf } from '../errors/message-of.js';

/** Bytes of a file beyond which it is not read: 100 megapixels uncompressed are 300 MB. */
const FILE_BYTES = 1e9;

const openAsync = promisify(open);
const readAsync = promisify(read);

/**
 * A file's bytes. Throws Error with a reason for the user.
 *
 * What may wait for the disk is left to another thread. Size and close of an open file do not, and a hand-over would cost
 * more than they do.
 */
export async function readImageFile(file: string): Promise<Buffer> {
  try {
    const descriptor = await openAsync(file, 'r');
    try {
      return await readWhole(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw new Error(fileReason(error), { cause: error });
  }
}

async function readWhole(descriptor: number): Promise<Buffer> {
  const { size } = fstatSync(descriptor);
  if (size > FILE_BYTES) throw new Error(`larger than ${FILE_BYTES / 1e9} GB`);
  const bytes = Buffer.allocUnsafe(size);
  let length = 0;
  while (length < size) {
    const { bytesRead } = await readAsync(descriptor, bytes, length, size - length, length);
    // The file has become shorter meanwhile.
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

function fileReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT')
    return 'the file is gone since the folder was listed, or its name is not valid UTF-8';
  if (code === 'EACCES' || code === 'EPERM') return 'permission denied';
  return messageOf(error);
}
