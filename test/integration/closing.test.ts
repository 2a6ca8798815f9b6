import { execa } from 'execa';
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { interruptAfter } from './interrupted-run.js';
import { ROOT, runCli, scratchFolder } from './run-cli.js';
import { unpackRuns } from './recorded-fixture.js';
import { tinyImages } from './tiny-images.js';

const SMALL = '--image-size 32 --trainable head --batch-size 12 --epochs 2 --views 1'.split(' ');
const DATA = ['--data', 'my photos', '--out', "out's runs", ...SMALL];

/** A folder with images whose name a shell has to be told with quotes. */
async function photos(): Promise<string> {
  const cwd = await scratchFolder();
  await tinyImages(join(cwd, 'my photos'));
  return cwd;
}

/** What a command says last: its places and the command line that it proposes. */
function closing(stderr: string) {
  const results = /^Results {2}(.*)$/mu.exec(stderr)?.[1] ?? null;
  const next = /^Next {5}(.*)$/mu.exec(stderr)?.[1] ?? null;
  const last = stderr.trimEnd().split('\n').at(-1);
  if (next !== null) expect(last).toBe(`Next     ${next}`);
  return { results, next };
}

async function carriesOut(cwd: string, args: readonly string[], code = 0) {
  const result = await runCli(args, { cwd });
  expect(result.code, result.stderr).toBe(code);
  return closing(result.stderr);
}

/** Types the line into a shell, and answers what that says last. */
async function typed(cwd: string, line: string | null) {
  const { exitCode, stderr } = await execa('sh', ['-c', line ?? 'false'], {
    cwd,
    reject: false,
    stdin: 'ignore',
    env: { NO_COLOR: '1', COLUMNS: '80' },
  });
  expect(exitCode, `${line}: ${String(stderr)}`).toBe(0);
  return closing(String(stderr));
}

const CALL = `node ${join(ROOT, 'bin', 'onecycle.js')}`;

describe('the line that a command ends with works as it stands', () => {
  test('find-lr, train, compare, export and predict, one after the other', async () => {
    const cwd = await photos();
    // Rates from which the loss rises: the tiny images give one.
    const test = ['--seeds', '2', '--steps', '30', '--min-lr', '1e-4'];
    const found = await carriesOut(cwd, ['find-lr', ...DATA, ...test]);
    const run = "'out'\\''s runs/find-lr-seed0'";
    expect(found.results).toBe(`${run}, ${run.replace(/'$/u, "/curve.png'")}`);
    expect(found.next).toBe(
      `${CALL} train --data 'my photos' --out 'out'\\''s runs' ${SMALL.join(' ')} --lr 'from:out'\\''s runs/find-lr-seed0'`,
    );
    const trained = await typed(cwd, found.next);
    expect(trained.results).toBe("'out'\\''s runs/1cycle-seed0'");
    expect(trained.next).toBe(found.next?.replace(' train ', ' compare '));
    const compared = await typed(cwd, trained.next);
    expect(compared.results).toBe("'out'\\''s runs'");
    expect(compared.next).toMatch(/ --seeds 6$| --report page$/u);
    const again = await typed(cwd, compared.next);
    const exported = await typed(cwd, `${CALL} export 'out'"'"'s runs/1cycle-seed0' --to web`);
    expect(again.results).toMatch(/runs'/u);
    expect(exported.results).toBe('web');
    expect(exported.next).toBe(`${CALL} predict 'out'\\''s runs/1cycle-seed0' 'my photos'`);
    const predicted = await typed(cwd, exported.next);
    expect(predicted).toEqual({
      results: null,
      next: `${CALL} export 'out'\\''s runs/1cycle-seed0' --to web-2`,
    });
    await typed(cwd, predicted.next);
    expect(existsSync(join(cwd, 'web-2', 'index.html'))).toBe(true);
  });

  test('dry runs, plans and settings: the command itself', async () => {
    const cwd = await photos();
    writeFileSync(join(cwd, 'mine.json'), JSON.stringify({ data: 'my photos', epochs: 2 }));
    const own = ['--config', 'mine.json', ...SMALL.slice(0, 6)];
    for (const [args, next] of [
      [
        ['train', '--dry-run', ...own, '--json'],
        'train --config mine.json --image-size 32 --trainable head --batch-size 12',
      ],
      [
        ['compare', ...own, '--plan', '--seeds=2'],
        'compare --config mine.json --image-size 32 --trainable head --batch-size 12 --seeds=2',
      ],
      [
        ['find-lr', '--print-config', ...own],
        'find-lr --config mine.json --image-size 32 --trainable head --batch-size 12',
      ],
    ] as const) {
      const said = await carriesOut(cwd, args);
      expect(said).toEqual({ results: null, next: `${CALL} ${next}` });
      await typed(cwd, said.next);
    }
    // Of a configuration file its name is enough, and what is said besides.
    const trained = await carriesOut(cwd, [
      'train',
      ...own,
      '--policy',
      'fixed',
      '--out',
      'alone',
      '--report',
      'page one',
    ]);
    expect(trained).toEqual({
      results: "alone/fixed-seed0, 'page one/report.html'",
      next: `${CALL} compare --config mine.json --image-size 32 --trainable head --batch-size 12 --out alone`,
    });
  });

  test('an interrupted run: its continuation; a diverged one: a range test', async () => {
    const cwd = await photos();
    const args = [
      'train',
      '--data',
      join(cwd, 'my photos'),
      '--out',
      join(cwd, 'runs'),
      ...SMALL,
      '--epochs',
      '40',
    ];
    const stopped = await interruptAfter(args, join(cwd, 'runs/1cycle-seed0'), 3);
    const { next } = closing(stopped.stderr);
    expect(next).toBe(`${CALL.replace(ROOT, '')} train --resume ${join(cwd, 'runs/1cycle-seed0')}`);
    await typed(ROOT, next);
    for (const [lr, code] of [
      ['1e30', 1],
      ['1e4', 0],
    ] as const) {
      const diverged = await carriesOut(cwd, ['train', ...DATA, '--lr', lr, '--policy', 'fixed'], code);
      expect(diverged.next).toBe(
        `${CALL} find-lr --data 'my photos' --out 'out'\\''s runs' ${SMALL.join(' ')}`,
      );
    }
  });

  test('show, runs, doctor and init', async () => {
    const cwd = await unpackRuns();
    const shown = await carriesOut(cwd, ['show', 'runs/fixed-seed0', '--csv', 'tables']);
    expect(shown).toEqual({
      results: 'runs/fixed-seed0, tables/steps.csv, tables/epochs.csv',
      next: `${CALL} show runs/fixed-seed0 --report page`,
    });
    const page = await typed(cwd, shown.next);
    expect(page.results).toBe('runs/fixed-seed0, page/report.html');
    // The fixture's runs hold no model.
    expect(page.next).toBe(`${CALL} export runs/fixed-seed0 --to web`);
    expect((await carriesOut(cwd, ['runs'])).next).toBe(`${CALL} train --resume runs/1cycle-seed7`);
    const named = ['fixed-seed0', 'fixed-seed1', '1cycle-seed0', '1cycle-seed1'].map((run) => `runs/${run}`);
    const some = await carriesOut(cwd, ['compare', ...named]);
    expect(some.next).toBe(`${CALL} compare ${named.join(' ')} --report page-2`);
    // All of a folder, as a shell writes runs/*-seed* out.
    const all = await carriesOut(cwd, ['compare', ...named, 'runs/1cycle-seed7']);
    expect(all.next).toBe(`${CALL} compare runs --report page-2`);
    mkdirSync(join(cwd, 'empty'));
    expect((await carriesOut(cwd, ['runs', 'empty'])).next).toBe(`${CALL} compare --out empty`);
    expect((await carriesOut(cwd, ['doctor'])).next).toBe(`${CALL} compare`);
    expect((await carriesOut(cwd, ['init', 'a b.jsonc'])).next).toBe(`${CALL} compare --config 'a b.jsonc'`);
  });
});

describe('the program is named as it was called', () => {
  test('by its file, by its name on the path, and by npx', async () => {
    const cwd = await unpackRuns();
    const words = ['show', join(cwd, 'runs/fixed-seed0')];
    const bin = join(cwd, 'bin');
    mkdirSync(bin);
    symlinkSync(join(ROOT, 'bin', 'onecycle.js'), join(bin, 'onecycle'));
    chmodSync(join(ROOT, 'bin', 'onecycle.js'), 0o755);
    const next = async (command: string, at: string, env: Readonly<Record<string, string>> = {}) => {
      const { stderr } = await execa(command, words, { cwd: at, reject: false, env, shell: true });
      return closing(String(stderr)).next?.split(' show ')[0];
    };
    expect(await next('node bin/onecycle.js', ROOT)).toBe('node bin/onecycle.js');
    expect(await next('node onecycle.js', join(ROOT, 'bin'))).toBe('node onecycle.js');
    expect(await next('onecycle', cwd, { PATH: `${bin}:${process.env['PATH'] ?? ''}` })).toBe('onecycle');
    expect(await next('bin/onecycle', cwd)).toBe('node bin/onecycle');
    expect(await next('npx onecycle', ROOT)).toBe('npx onecycle');
    expect(relative(ROOT, bin)).toMatch(/^\.\./u);
  });

  test('--quiet leaves nothing on stderr', async () => {
    const cwd = await photos();
    for (const args of [
      ['train', ...DATA],
      ['find-lr', ...DATA, '--steps', '10', '--seeds', '1'],
      ['compare', ...DATA, '--seeds', '2'],
      ['show', "out's runs/1cycle-seed0"],
      ['predict', "out's runs/1cycle-seed0", 'my photos/val'],
      ['export', "out's runs/1cycle-seed0", '--to', 'web'],
      ['runs', "out's runs"],
      ['doctor'],
      ['train', ...DATA, '--print-config'],
      ['train', ...DATA, '--dry-run'],
    ]) {
      const { code, stderr } = await runCli([...args, '--quiet'], { cwd });
      expect([code, stderr], args.join(' ')).toEqual([0, '']);
    }
  });
});
