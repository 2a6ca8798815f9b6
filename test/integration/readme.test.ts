import { execa } from 'execa';
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, scratchFolder } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** The command lines under the recipe that begins with these words in bold. */
function recipe(title: string): string {
  const [, text = ''] = README.split(`**${title}**`);
  const [, block = ''] = /\n\n((?: {4}.*\n)+)/u.exec(text) ?? [];
  return block.replaceAll(/^ {4}/gmu, '');
}

/** Only as much as these commands take in seconds: small images, few epochs, steps and seeds. */
const TESTED =
  '--image-size 32 --trainable head --batch-size 12 --epochs 2 --steps 30 --min-lr 1e-4 --seeds 2';
const TRAINED = '--image-size 32 --trainable head --batch-size 12 --epochs 6';

/** Carries a recipe out as it is written, in a folder of its own, where `npx onecycle` is this program. */
async function carryOut(title: string, images: string, places: Readonly<Record<string, string>> = {}) {
  const cwd = await scratchFolder();
  await tinyImages(join(cwd, images));
  symlinkSync(join(ROOT, 'configs'), join(cwd, 'configs'));
  const bin = join(ROOT, 'bin', 'onecycle.js');
  const npx = `npx() {
    shift
    case "$1" in
      find-lr) set -- "$@" ${TESTED} ;;
      train) case "$*" in *--arm*) ;; *) set -- "$@" ${TRAINED} ;; esac ;;
      compare) case "$2" in --*) set -- "$@" ${TRAINED} --seeds 2 ;; esac ;;
    esac
    node '${bin}' "$@" --quiet
  }
  export -f npx`;
  const lines = Object.entries(places).reduce(
    (text, [written, here]) => text.replaceAll(written, join(cwd, here)),
    recipe(title),
  );
  expect(lines).toContain('npx onecycle');
  const script = `set -euo pipefail\n${npx}\n${lines}`;
  const { exitCode, stdout, stderr } = await execa('bash', ['-c', script], {
    cwd,
    reject: false,
    stdin: 'ignore',
    env: { NO_COLOR: '1', COLUMNS: '80', SHELL: '/bin/bash' },
  });
  expect(exitCode, `${lines}\n${String(stdout).slice(-2000)}\n${String(stderr)}`).toBe(0);
  return { cwd, stdout: String(stdout) };
}

test('README: repeat the post', async () => {
  const { cwd, stdout } = await carryOut('Repeat the post', 'ants-bees');
  expect(stdout).toMatch(/S  steepest/u);
  expect(stdout).toMatch(/^fixed against 1cycle:three-phase: 2 seeds each, 6 epochs$/mu);
  expect(existsSync(join(cwd, 'post-page', 'report.html'))).toBe(true);
});

test('README: your own folder of photographs', async () => {
  const { cwd, stdout } = await carryOut('Your own folder of photographs', 'photos');
  expect(stdout).toMatch(/^fixed against 1cycle: 2 seeds each, 6 epochs$/mu);
  expect(stdout).toMatch(/^accuracy 0\.\d+ \(\d+\/36\)|^accuracy 1\.000 \(36\/36\)/mu);
  expect(existsSync(join(cwd, 'page', 'report.html'))).toBe(true);
  expect(existsSync(join(cwd, 'web', 'index.html'))).toBe(true);
  // Earlier commands of the README leave runs of other data there, under the same names.
  expect(existsSync(join(cwd, 'runs'))).toBe(false);
});

const WITHOUT_PARALLEL = !existsSync('/usr/bin/parallel') && process.env['CI'] === undefined;
test.skipIf(WITHOUT_PARALLEL)('README: many seeds on a cluster', async () => {
  const places = { '/shared/runs': 'shared-runs' };
  const { cwd, stdout } = await carryOut('Many seeds on a cluster', 'photos', places);
  const runs = ['1cycle-seed0', '1cycle-seed1', 'fixed-seed0', 'fixed-seed1'];
  expect(readdirSync(join(cwd, 'shared-runs'))).toEqual(expect.arrayContaining(runs));
  expect(stdout).toMatch(/^fixed against 1cycle: 2 seeds each, 6 epochs$/mu);
});

test('README: two hundred lines at most, and the figures of configs/default.json', () => {
  expect(README.split('\n').length - 1).toBeLessThanOrEqual(200);
  const { expected } = JSON.parse(readFileSync(join(ROOT, 'configs', 'default.json'), 'utf8')) as {
    expected: string;
  };
  const [, fixed, cycle] = /final accuracy ([\d.]+) \(fixed\) and ([\d.]+) \(1cycle\)/u.exec(expected)!;
  expect(README).toMatch(new RegExp(`final accuracy +${fixed} ± [\\d.]+ +${cycle} ± `, 'u'));
});
