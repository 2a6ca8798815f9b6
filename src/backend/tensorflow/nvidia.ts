import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** The first NVIDIA card, as its own tool describes it. */
export interface NvidiaCard {
  readonly name: string;
  readonly driver: string;
  /** Bytes. */
  readonly memory: number;
}

/** Whether there is an NVIDIA driver at all; asks nothing but the file system. */
export function hasNvidiaDriver(): boolean {
  if (process.platform === 'win32') {
    return existsSync(join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32', 'nvcuda.dll'));
  }
  return ['/dev/nvidiactl', '/proc/driver/nvidia/version', '/dev/dxg'].some((path) => existsSync(path));
}

/** Asks nvidia-smi; undefined where it is not there or has nothing to say. */
export async function nvidiaCard(): Promise<NvidiaCard | undefined> {
  try {
    const { stdout } = await promisify(execFile)(
      'nvidia-smi',
      ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader,nounits'],
      { timeout: 5000 },
    );
    const [name = '', driver = '', mebibytes = ''] = (stdout.split('\n')[0] ?? '').split(', ');
    return name === '' ? undefined : { name, driver, memory: Number(mebibytes) * 2 ** 20 };
  } catch {
    return undefined;
  }
}
