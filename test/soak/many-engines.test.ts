import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchFolder } from '../integration/run-cli.js';
import { watchedRun } from './watched-run.js';

// Each repetition has an engine of its own, whose memory V8 would keep until it comes to collect it.
it('ten repetitions of a range test take no more memory than one', async () => {
  const out = join(await scratchFolder(), 'runs');
  // All is trained: features of a frozen part would be kept, more of them with every repetition.
  const options = ['--trainable', 'all', '--image-size', '160', '--steps', '8', '--backend', 'wasm'];
  const peaks: number[] = [];
  for (const seeds of ['1', '10']) {
    const args = ['find-lr', ...options, '--seeds', seeds, '--quiet', '--out', out];
    const { code, stderr, peak, seconds } = await watchedRun(args);
    expect(code, stderr).toBe(0);
    console.log(`${seeds} seeds: ${(peak / 1e6).toFixed(0)} MB after ${seconds.toFixed(0)} s`);
    peaks.push(peak);
  }
  expect(peaks[0]).toBeGreaterThan(50e6);
  expect(peaks[1]).toBeLessThan(1.5 * peaks[0]!);
}, 600_000);
