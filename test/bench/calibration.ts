// Does `compare` claim what is not there, and does it see what is? Expected on two cores: about ten minutes.
//
//   npm run bench:calibration [-- --repeats 1000 --power-repeats 200 --real 20]
//
// 1. Simulated: one policy against itself under other seeds, with truth known to be «no difference».
// 2. Real: the same with small trained runs of the bundled data.
// 3. Power: simulated arms that truly differ by 2 points, with 3, 5, 10 and 20 seeds; and by 12 points.
//
// Fails (exit 1) where false claims are more frequent than 5% beyond doubt, or where a large difference is
// missed: a test that never claims anything would pass the first two.
import { execa } from 'execa';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compareRecorded } from '../../src/compare/compare.js';
import { compareRuns, rawDifference } from '../../src/compare/conclude.js';
import { readDefaults } from '../../src/config/settings.js';
import { claimPower, imageVariances } from '../../src/stats/claim-power.js';
import { mean } from '../../src/stats/describe.js';
import { wilson } from '../../src/stats/intervals.js';
import { simulatedRuns } from './calibration-runs.js';

const BIN = fileURLToPath(new URL('../../bin/onecycle.js', import.meta.url));
const REAL_SEEDS = 3;
const LARGE = 0.12;

const { values } = parseArgs({
  options: {
    repeats: { type: 'string', default: '1000' },
    'power-repeats': { type: 'string', default: '200' },
    real: { type: 'string', default: '20' },
  },
});

const failures: string[] = [];
const say = (text: string) => process.stdout.write(`${text}\n`);

/** How often the verdict on simulated arms claims a difference, and the spread that was put in. */
function simulate(repeats: number, seeds: number, difference: number) {
  let claims = 0;
  let rightArm = 0;
  let rejections = 0;
  const deviations: number[] = [];
  const variances: { between: number; within: number }[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    const runs = simulatedRuns({ seeds, difference, repeat });
    const { verdict, difference: found } = compareRuns(['a', 'b'], runs, [], undefined);
    if ((found?.pValue ?? 1) <= 0.05) rejections++;
    if (verdict.claim !== 'none') claims++;
    if (verdict.claim === 'b') rightArm++;
    if (repeat < 50) {
      const [a, b] = ['a', 'b'].map((name) => ({ name, runs: runs.filter(({ arm }) => arm === name) }));
      deviations.push(rawDifference(b!, a!).paired?.sd ?? NaN);
      const hits = (arm: typeof a) =>
        arm!.runs.map(({ record }) => record.predictions!.map(({ final }) => final.predicted));
      const [own, its] = [hits(b), hits(a)];
      variances.push(imageVariances(own.map((row, s) => row.map((hit, i) => hit - its[s]![i]!))));
    }
  }
  const sd = Math.sqrt(mean(deviations.map((value) => value ** 2)));
  const between = mean(variances.map((value) => value.between));
  const within = mean(variances.map((value) => value.within));
  return { claims, rightArm, rejections, spread: { sd, between, within, images: 400 } };
}

function rate(count: number, of: number): string {
  const { low, high } = wilson(count, of);
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
  return `${count} of ${of} = ${percent(count / of)}, 95% interval ${percent(low)} to ${percent(high)}`;
}

/** More than 5% false claims, beyond what chance in the repeats explains. */
function requireFewClaims(what: string, claims: number, of: number): void {
  if (wilson(claims, of).low > 0.05)
    failures.push(`${what}: a difference was claimed ${claims} times in ${of}`);
}

const repeats = Number(values.repeats);
for (const seeds of [3, 5]) {
  const { claims, rejections, spread } = simulate(Math.ceil(repeats / 2), seeds, 0);
  const n = Math.ceil(repeats / 2);
  say(
    `simulated, one policy against itself, ${seeds} seeds: «no difference shown» in ${rate(n - claims, n)} (sd of differences ${(100 * spread.sd).toFixed(1)} points)`,
  );
  say(`  its paired t-test over seeds alone: p above 0.05 in ${rate(n - rejections, n)}`);
  requireFewClaims(`simulated, ${seeds} seeds`, claims, n);
}

const real = Number(values.real);
if (real > 0) {
  const out = await mkdtemp(join(tmpdir(), 'onecycle-calibration-'));
  try {
    const options = ['--trainable', 'head', '--epochs', '2', '--seeds', String(REAL_SEEDS * real)];
    const arms = ['1cycle', '1cycle@1000'];
    await execa(
      process.execPath,
      [BIN, 'compare', '--policies', arms.join(','), ...options, '--out', out, '--quiet', '--json'],
      { stderr: 'inherit' },
    );
    const settings = { ...readDefaults().settings, policies: arms };
    let claims = 0;
    for (let k = 0; k < real; k++) {
      const seeds = Array.from({ length: REAL_SEEDS }, (_, i) => REAL_SEEDS * k + i);
      const dirs = seeds.flatMap((seed) => [
        join(out, `1cycle-seed${seed}`),
        join(out, `1cycle@1000-seed${seed + 1000}`),
      ]);
      const { comparison } = await compareRecorded(dirs, settings);
      if (comparison.verdict.claim !== 'none') {
        claims++;
        say(`  claimed with seeds ${seeds.join(', ')}: ${comparison.verdict.sentence}`);
      }
    }
    say(
      `real runs, 1cycle against itself, ${REAL_SEEDS} seeds: «no difference shown» in ${rate(real - claims, real)}`,
    );
    requireFewClaims('real runs', claims, real);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

const powerRepeats = Number(values['power-repeats']);
for (const seeds of [3, 5, 10, 20]) {
  const { rightArm, spread } = simulate(powerRepeats, seeds, 0.02);
  const predicted = (100 * claimPower(0.02, spread, seeds)).toFixed(1);
  say(
    `power, a true difference of 2 points, ${seeds} seeds, 400 images: shown in ${rate(rightArm, powerRepeats)} (compare --plan would say ${predicted}%)`,
  );
}
const large = simulate(Math.min(100, powerRepeats), 5, LARGE);
const of = Math.min(100, powerRepeats);
say(`power, a true difference of ${100 * LARGE} points, 5 seeds: shown in ${rate(large.rightArm, of)}`);
if (wilson(large.rightArm, of).high < 0.9) {
  failures.push(`a difference of ${100 * LARGE} points is shown only ${large.rightArm} times in ${of}`);
}

for (const failure of failures) say(`FAILED: ${failure}`);
process.exitCode = failures.length > 0 ? 1 : 0;
