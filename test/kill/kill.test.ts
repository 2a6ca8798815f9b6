import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EVERY_STEP, outcome, runFolders, SMALL_RUN } from '../integration/interrupted-run.js';
import { runCli } from '../integration/run-cli.js';
import { tinyImages } from '../integration/tiny-images.js';
import { seededRandom } from '../integration/seeded-random.js';
import { killAndResume } from './kill-and-resume.js';

// The long form: npm run test:kill. KILLS says how many; half of them hit each of two kinds of run.
const KILLS = Number(process.env['KILLS'] ?? 100);
const SEED = Number(process.env['SEED'] ?? Date.now() % 1e6);

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-kill-'));
  await tinyImages(join(root, 'data'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

it.each([
  ['1cycle', '--policy 1cycle'],
  [
    'early stopping that anneals at once',
    '--policy 1cycle --trainable head --lr 0.5 --epochs 8 --early-stop 1 --on-stop anneal',
  ],
])(
  'every killed run ends in the weights of the run that nobody killed: %s',
  async (name, options) => {
    const args = ['train', '--data', join(root, 'data'), '--quiet', ...SMALL_RUN, ...options.split(' ')];
    const folder = (i: number | string) => join(root, `${name}-${i}`);
    const started = Date.now();
    const whole = await runCli([...args, '--out', folder('whole')], { env: EVERY_STEP });
    expect(whole.code, whole.stderr).toBe(0);
    const duration = Date.now() - started;
    const [dir = ''] = runFolders(folder('whole'));
    const plan = { args, outOf: folder, reference: outcome(dir), duration, random: seededRandom(SEED) };
    const { stoodAt, ...tally } = await killAndResume(plan, Math.ceil(KILLS / 2));
    const places = `killed at ${stoodAt.size} different steps`;
    console.log(`${name} (seed ${SEED}): ${JSON.stringify(tally)}, ${places}`);
    expect(tally.kills).toBe(Math.ceil(KILLS / 2));
  },
  3_600_000,
);
