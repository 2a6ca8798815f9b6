import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT, scratchFolder } from './run-cli.js';

/**
 * Unpacks runs of an earlier version into a folder that is gone after the test: images/, runs/{fixed,1cycle}-seed{0,1}, the range
 * test runs/find-lr-seed0 and the interrupted runs/1cycle-seed7.
 */
export async function unpackRuns(): Promise<string> {
  const home = await scratchFolder();
  execFileSync('tar', ['xzf', join(ROOT, 'test', 'fixtures', 'runs-v1.tar.gz'), '-C', home]);
  return home;
}
