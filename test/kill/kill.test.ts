import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EVERY_STEP, outcome, runFolders, SMALL_RUN } from '../integration/interrupted-run.js';
import { runCli } from '../integration/run-cli.js';
import { tinyImages } from '../integration/tiny-images.js';
import { seededRandom } from '../integration/seeded-random.js';
import { killAndResume } from './kill-and-resume.js';
import { startAndKill } from './kill-run.js';

// The long form: npm run test:kill. KILLS says how many: two tenths hit each of three kinds of run, three tenths a
// comparison, and one tenth a range test.
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
  ['batch norm in training mode', '--policy fixed --batch-norm train --bn-momentum 0.9'],
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
    const kills = Math.ceil(0.2 * KILLS);
    const { stoodAt, ...tally } = await killAndResume(plan, kills);
    const places = `killed at ${stoodAt.size} different steps`;
    console.log(`${name} (seed ${SEED}): ${JSON.stringify(tally)}, ${places}`);
    expect(tally.kills).toBe(kills);
  },
  3_600_000,
);

/** Gives the same command line again after each kill until it ends by itself, in new folders until there were enough kills. */
async function killUntilDone(
  args: readonly string[],
  kills: number,
  check: (out: string) => void,
): Promise<{ kills: number; finished: number }> {
  const random = seededRandom(SEED);
  const started = Date.now();
  await runCli([...args, '--out', join(root, `${args[0]!}-timed`)], { env: EVERY_STEP });
  const duration = Date.now() - started;
  const tally = { kills: 0, finished: 0 };
  for (let i = 0; tally.kills < kills; i++) {
    const out = join(root, `${args[0]!}-${i}`);
    // After so many kills in one folder the command is let go.
    for (let here = 0; ; here++) {
      const ms = here < 20 && tally.kills < kills ? random() * duration : Infinity;
      const { killed, code, stderr } =
        ms === Infinity
          ? await runCli([...args, '--out', out], { env: EVERY_STEP }).then((end) => ({
              ...end,
              killed: false,
            }))
          : await startAndKill([...args, '--out', out], out, { kind: 'time', ms });
      if (killed) {
        tally.kills++;
        continue;
      }
      expect(code, stderr).toBe(0);
      break;
    }
    check(out);
    tally.finished++;
  }
  return tally;
}

it('a killed comparison, given again, ends in the runs that nobody killed, each trained once', async () => {
  const args = [
    'compare',
    '--data',
    join(root, 'data'),
    '--quiet',
    '--seeds',
    '2',
    '--jobs',
    '2',
    ...SMALL_RUN,
  ];
  const whole = join(root, 'compare-whole');
  expect((await runCli([...args, '--out', whole], { env: EVERY_STEP })).code).toBe(0);
  // The range test that found the rates is judged by the runs that have them; one that was killed is made again beside it.
  const names = (out: string) =>
    runFolders(out)
      .map((dir) => basename(dir))
      .filter((name) => !name.startsWith('find-lr'));
  const kills = Math.ceil(0.3 * KILLS);
  const tally = await killUntilDone(args, kills, (out) => {
    expect(names(out)).toEqual(names(whole));
    for (const name of names(whole)) expect(outcome(join(out, name))).toEqual(outcome(join(whole, name)));
  });
  console.log(`compare (seed ${SEED}): ${JSON.stringify(tally)}`);
  expect(tally.kills).toBe(kills);
}, 3_600_000);

it('a killed range test leaves nothing in the way of the next, which recommends what nobody killed does', async () => {
  const args = ['find-lr', '--data', join(root, 'data'), '--quiet', ...SMALL_RUN];
  const whole = join(root, 'find-lr-whole');
  expect((await runCli([...args, '--out', whole])).code).toBe(0);
  const answer = (dir: string) => readFileSync(join(dir, 'suggestion.json'), 'utf8');
  const [reference = ''] = runFolders(whole);
  const kills = Math.ceil(0.1 * KILLS);
  const tally = await killUntilDone(args, kills, (out) => {
    const finished = runFolders(out).filter((dir) => existsSync(join(dir, 'result.json')));
    expect(finished.length).toBeGreaterThan(0);
    for (const dir of finished) expect(answer(dir)).toBe(answer(reference));
  });
  console.log(`find-lr (seed ${SEED}): ${JSON.stringify(tally)}`);
  expect(tally.kills).toBe(kills);
}, 3_600_000);
