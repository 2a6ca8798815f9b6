import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** An empty folder for one test. */
export function freshFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'onecycle-record-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
