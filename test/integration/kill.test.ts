import { join } from 'node:path';
import { expect, it } from 'vitest';
import { killAndResume } from '../kill/kill-and-resume.js';
import { EVERY_STEP, outcome, SMALL_RUN } from './interrupted-run.js';
import { runCli, scratchFolder } from './run-cli.js';
import { seededRandom } from './seeded-random.js';
import { tinyImages } from './tiny-images.js';

// The short form of npm run test:kill.
it('five kills lose nothing', async () => {
  const root = await scratchFolder();
  await tinyImages(join(root, 'data'), { train: 8, valid: 3 });
  const args = ['train', '--data', join(root, 'data'), '--quiet', ...SMALL_RUN];
  const started = Date.now();
  const whole = await runCli([...args, '--out', join(root, 'whole')], { env: EVERY_STEP });
  expect(whole.code, whole.stderr).toBe(0);
  const tally = await killAndResume(
    {
      args,
      outOf: (i) => join(root, `run-${i}`),
      reference: outcome(join(root, 'whole', '1cycle-seed0')),
      duration: Date.now() - started,
      random: seededRandom(1),
    },
    5,
  );
  expect(tally.kills).toBe(5);
  expect(tally.finished).toBeGreaterThan(0);
});
