import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { onTestFinished } from 'vitest';

/** A folder that is gone after the test, with these files in it; readable by everybody. */
export function folderWith(files: Record<string, string | Buffer>): string {
  const root = mkdtempSync(join(tmpdir(), 'onecycle-data-test-'));
  chmodSync(root, 0o755);
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

/** Names of empty files: enough where nothing is decoded. */
export function emptyFiles(...paths: string[]): Record<string, string> {
  return Object.fromEntries(paths.map((path) => [path, '']));
}

/** A PNG of pseudo-random bytes, different for each number. */
export function noisePng(width: number, height: number, number = 0): Promise<Buffer> {
  return sharp(noise(width, height, number), { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** height x width x 3 pseudo-random bytes (Numerical Recipes' linear congruential generator). */
export function noise(width: number, height: number, number = 0): Buffer {
  let state = number >>> 0;
  return Buffer.from(
    Uint8Array.from({ length: width * height * 3 }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    }),
  );
}

/** Runs something as a user without privileges: as root, file permissions would not matter. */
export async function asUnprivileged<T>(run: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return run();
  process.seteuid?.(65534);
  try {
    return await run();
  } finally {
    process.seteuid?.(0);
  }
}
