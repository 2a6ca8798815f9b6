import { describe, expect, test } from 'vitest';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { displayWidth } from '../../src/report/text/width.js';
import { ownLockText } from '../../src/runs/lock.js';
import { lines } from './interrupted-run.js';
import { unpackRuns } from './recorded-fixture.js';
import { runCli } from './run-cli.js';

const read = (...path: string[]) => readFileSync(join(...path), 'utf8');
const json = (text: string) => JSON.parse(text) as Record<string, unknown>;

describe('show', () => {
  test.each([
    ['fixed-seed0', /^fixed, rate 1e-2, 2 epochs: done in /, /\nvalidation accuracy\n/],
    ['1cycle-seed7', /^1cycle, maximum rate \S+: interrupted after \d of \d+ epochs,\s/, /\nlearning rate\n/],
    ['find-lr-seed0', /^training loss/, /\nNo rate is recommended\.|\nRecommended: /],
  ])('prints the page of %s at every width', async (name, first, inside) => {
    const cwd = await unpackRuns();
    for (const width of [60, 80, 120]) {
      const args = ['show', join('runs', name)];
      const { code, stdout, stderr } = await runCli(args, { cwd, env: { COLUMNS: String(width) } });
      expect(code, stderr).toBe(0);
      expect(stdout).toMatch(first);
      if (width < 100) expect(stdout).toMatch(inside);
      for (const line of stdout.split('\n')) expect(displayWidth(line), line).toBeLessThanOrEqual(width);
    }
  });

  test.each(['fixed-seed0', '1cycle-seed7', 'find-lr-seed0'])(
    '--json of %s is the document that was recorded, with its place of today',
    async (name) => {
      const cwd = await unpackRuns();
      const run = join('runs', name);
      const { code, stdout } = await runCli(['show', run, '--json'], { cwd });
      expect(code).toBe(0);
      // What that version did not tell of the classes is taken from its predictions.
      const without = (document: unknown, ...names: readonly string[]) =>
        Object.fromEntries(Object.entries(document as object).filter(([key]) => !names.includes(key)));
      const shown = without(json(stdout), 'perClass');
      const plain = (epoch: unknown) => without(epoch, 'balancedAccuracy', 'macroF1');
      const told = {
        ...shown,
        ...('best' in shown && { best: plain(shown['best']), final: plain(shown['final']) }),
      };
      expect(told).toEqual({ ...json(read(cwd, run, 'result.json')), run });
    },
  );

  test('says why a run failed', async () => {
    const cwd = await unpackRuns();
    const path = join(cwd, 'runs', 'fixed-seed0', 'result.json');
    const failure = { message: 'The run diverged: the loss became NaN.' };
    writeFileSync(path, JSON.stringify({ ...json(read(path)), status: 'failed', failure }));
    const { code, stdout } = await runCli(['show', 'runs/fixed-seed0'], { cwd });
    expect(code).toBe(0);
    expect(stdout).toContain(`\n! ${failure.message}`);
  });

  test('says how to go on with an interrupted run, in words for a shell', async () => {
    const cwd = await unpackRuns();
    const { stderr } = await runCli(['show', 'runs/1cycle-seed7'], { cwd });
    expect(stderr).toMatch(/^Results  runs\/1cycle-seed7\nNext     .* train --resume runs\/1cycle-seed7$/);
    expect((await runCli(['show', 'runs/fixed-seed0', '--quiet'], { cwd })).stderr).toBe('');
  });

  test('of a killed run shows what was recorded by then', async () => {
    const cwd = await unpackRuns();
    const run = join(cwd, 'runs', '1cycle-seed0');
    rmSync(join(run, 'result.json'));
    rmSync(join(run, 'predictions.jsonl'));
    const [first] = lines(join(run, 'epochs.jsonl'));
    // Killed in the middle of writing the second epoch.
    writeFileSync(join(run, 'epochs.jsonl'), `${first}\n{"epoch":2,"trainLo`);
    const { code, stdout, stderr } = await runCli(['show', run, '--json']);
    expect(code, stderr).toBe(0);
    expect(json(stdout)).toMatchObject({
      status: 'interrupted',
      epochs: [json(first!)],
      final: { epoch: 1 },
      run,
    });
    expect(stderr).toMatch(/^Next     .* train --resume/m);
    expect((await runCli(['show', run])).stdout).toMatch(/^1cycle, .*: interrupted after 1 of 2 epochs, /);
  });

  test('of a killed range test draws what was measured, and recommends nothing', async () => {
    const cwd = await unpackRuns();
    const run = join(cwd, 'runs', 'find-lr-seed0');
    for (const name of ['result.json', 'suggestion.json', 'curve.svg']) rmSync(join(run, name));
    const measured = lines(join(run, 'curve.jsonl')).slice(0, 7);
    writeFileSync(join(run, 'curve.jsonl'), `${measured.join('\n')}\n`);
    const { code, stdout, stderr } = await runCli(['show', run, '--json']);
    expect(code, stderr).toBe(0);
    const document = json(stdout);
    expect(document).toMatchObject({ status: 'interrupted', recommended: null });
    expect(document['reason']).toMatch(/^The test was interrupted after 7 of \d+ steps/);
    const curves = document['curves'] as { seed: number; points: object[] }[];
    expect(curves.flatMap(({ seed, points }) => points.map((point) => ({ seed, ...point })))).toEqual(
      measured.map(json),
    );
    expect((await runCli(['show', run])).stdout).toMatch(/seed 0: interrupted at \S+, after 7 of/);
  });

  test('names the process that trains a run', async () => {
    const cwd = await unpackRuns();
    const run = join(cwd, 'runs', '1cycle-seed7');
    writeFileSync(join(run, '.lock'), ownLockText());
    const { code, stderr } = await runCli(['show', run]);
    expect(code).toBe(0);
    expect(stderr).toMatch(new RegExp(`is in use by process ${process.pid} on .* Wait until it ends`));
    expect(stderr).not.toContain('Next  ');
  });

  test('refuses what is no run, and what is damaged', async () => {
    const cwd = await unpackRuns();
    const expectRefusal = async (dir: string, message: RegExp) => {
      const { code, stdout, stderr } = await runCli(['show', dir], { cwd });
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(message);
    };
    await expectRefusal('nothing', /^onecycle: Expected a run's folder at nothing but could not read it/);
    await expectRefusal('images', /^onecycle: images is not the folder of a run: it lacks/);
    writeFileSync(join(cwd, 'runs/fixed-seed0/config.json'), '{"policy":"fixed","seed":0,"lr":"fast"}');
    await expectRefusal(
      'runs/fixed-seed0',
      /runs\/fixed-seed0 is damaged, .*config\.json says data nothing, result\.json "images"/,
    );
    writeFileSync(join(cwd, 'runs/fixed-seed1/dataset.json'), '{"classes":3}');
    await expectRefusal('runs/fixed-seed1', /dataset\.json and result\.json differ in classes/);
    const result = json(read(cwd, 'runs/find-lr-seed0/result.json'));
    writeFileSync(
      join(cwd, 'runs/find-lr-seed0/result.json'),
      JSON.stringify({ ...result, suggestions: {} }),
    );
    await expectRefusal(
      'runs/find-lr-seed0',
      /result\.json is damaged: expected curves, suggestions and rates/,
    );
  });
});

describe('show --csv', () => {
  test('writes steps and epochs as tables with the numbers of the records', async () => {
    const cwd = await unpackRuns();
    const run = join(cwd, 'runs', 'fixed-seed0');
    const to = join(cwd, 'deep', 'tables');
    const { code, stderr } = await runCli(['show', run, '--csv', to]);
    expect(code, stderr).toBe(0);
    expect(readdirSync(to).sort()).toEqual(['epochs.csv', 'steps.csv']);
    for (const [name, header] of [
      ['steps', 'step,epoch,learningRate,momentum,loss'],
      ['epochs', 'epoch,trainLoss,validLoss,validAccuracy,correct,total,seconds'],
    ] as const) {
      const [names, ...rows] = read(to, `${name}.csv`).trimEnd().split('\r\n');
      expect(names).toBe(header);
      const records = lines(join(run, `${name}.jsonl`)).map(json);
      expect(rows.map((row) => row.split(',').map(Number))).toEqual(
        records.map((record) => header.split(',').map((key) => record[key])),
      );
    }
  });

  test('writes the curve of a range test', async () => {
    const cwd = await unpackRuns();
    await runCli(['show', 'runs/find-lr-seed0', '--csv', 'tables'], { cwd });
    const rows = read(cwd, 'tables', 'curve.csv').trimEnd().split('\r\n');
    expect(rows[0]).toBe('seed,step,learningRate,loss,smoothedLoss');
    expect(rows.length - 1).toBe(lines(join(cwd, 'runs/find-lr-seed0/curve.jsonl')).length);
  });

  test('overwrites nothing: where one of the tables is there, none is written', async () => {
    const cwd = await unpackRuns();
    mkdirSync(join(cwd, 'tables'));
    writeFileSync(join(cwd, 'tables', 'epochs.csv'), 'mine');
    const { code, stdout, stderr } = await runCli(['show', 'runs/fixed-seed0', '--csv', 'tables'], { cwd });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/tables.epochs\.csv is there already, and nothing is overwritten/);
    expect(readdirSync(join(cwd, 'tables'))).toEqual(['epochs.csv']);
    expect(read(cwd, 'tables', 'epochs.csv')).toBe('mine');
    const inFile = await runCli(['show', 'runs/fixed-seed0', '--csv', 'runs/fixed-seed0/config.json/x'], {
      cwd,
    });
    expect(inFile.code).toBe(2);
    expect(inFile.stderr).toMatch(/a part of that path is a file.*Give a folder with --csv/);
  });
});

describe('runs', () => {
  const names = (stdout: string) => (json(stdout)['runs'] as { run: string }[]).map(({ run }) => run);

  test('lists runs with what became of them', async () => {
    const cwd = await unpackRuns();
    const { code, stdout, stderr } = await runCli(['runs', '--json'], { cwd });
    expect(code, stderr).toBe(0);
    const document = json(stdout);
    expect(document).toMatchObject({ command: 'runs', status: 'completed', dir: 'runs', passedOver: [] });
    const runs = document['runs'] as Record<string, unknown>[];
    expect(names(stdout)).toEqual(
      ['1cycle-seed0', '1cycle-seed1', '1cycle-seed7', 'find-lr-seed0', 'fixed-seed0', 'fixed-seed1'].map(
        (name) => join('runs', name),
      ),
    );
    const result = json(read(cwd, 'runs/fixed-seed0/result.json'));
    expect(runs[4]).toMatchObject({
      ...{ command: 'train', arm: 'fixed', policy: 'fixed', seed: 0, status: 'completed' },
      ...{ best: result['best'], final: result['final'], epochs: { done: 2, planned: 2 } },
    });
    expect(runs[2]).toMatchObject({ status: 'interrupted', seed: 7 });
    expect(runs[3]).toMatchObject({
      command: 'find-lr',
      arm: null,
      epochs: null,
      best: null,
      status: 'completed',
    });
    const sizes = readdirSync(join(cwd, 'runs/fixed-seed0'), { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile())
      .map((file) => readFileSync(join(file.parentPath, file.name)).length);
    expect(runs[4]!['bytes']).toBe(sizes.reduce((sum, size) => sum + size, 0));
  });

  test.each([60, 80, 120])('as a table, or in two lines each, within %i columns', async (width) => {
    const cwd = await unpackRuns();
    const { stdout } = await runCli(['runs'], { cwd, env: { COLUMNS: String(width) } });
    expect(stdout).toMatch(/^6 runs in runs, [\d.]+ [kM]B, all on images\n/);
    for (const line of stdout.split('\n')) expect(displayWidth(line), line).toBeLessThanOrEqual(width);
    for (const part of ['1cycle-seed7', 'interrupted', 'images', '0.700']) expect(stdout).toContain(part);
    expect(stdout).not.toContain('…');
  });

  test('sorted and filtered', async () => {
    const cwd = await unpackRuns();
    const list = async (...args: string[]) =>
      names((await runCli(['runs', '--json', ...args], { cwd })).stdout);
    const best = (await list('--sort', 'best')).slice(0, 4);
    const accuracies = best.map(
      (run) => (json(read(cwd, run, 'result.json'))['best'] as { validAccuracy: number }).validAccuracy,
    );
    expect(accuracies).toEqual(accuracies.toSorted((a, b) => b - a));
    expect(await list('--policy', 'fixed')).toEqual(['runs/fixed-seed0', 'runs/fixed-seed1']);
    expect(await list('--policy', 'fixed', '--data', 'nothing')).toEqual([]);
    expect(await list('--data', 'images')).toHaveLength(6);
    const wrong = await runCli(['runs', '--sort', 'sise'], { cwd });
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(
      /Expected one of name, .*, size for --sort but received "sise"\. Did you mean "size"\?/,
    );
  });

  test('where nothing is what was asked for, says by what, and not that there is nothing', async () => {
    const cwd = await unpackRuns();
    const none = await runCli(['runs', '--policy', 'zz', '--data', 'a b'], { cwd });
    expect(none.stdout).toBe('None of the 6 runs in runs matches --policy zz and --data a b.');
    expect(none.stderr).toMatch(/\nNext .* runs runs$/u);
    expect((await runCli(['runs', '--policy', 'fixed'], { cwd })).stdout).toMatch(/^2 of 6 runs in runs, /u);
    const empty = await runCli(['runs', '.', '--policy', 'zz'], { cwd });
    expect(empty.stdout).toMatch(/^No runs in \.\./u);
    expect(empty.stderr).toMatch(/\nNext .* compare --out \.$/u);
  });

  test('foreign and damaged folders are passed over and counted, hidden ones and files not', async () => {
    const cwd = await unpackRuns();
    mkdirSync(join(cwd, 'runs/notes'));
    mkdirSync(join(cwd, 'runs/.hidden'));
    writeFileSync(join(cwd, 'runs/todo.txt'), '');
    writeFileSync(join(cwd, 'runs/fixed-seed0/config.json'), '{"policy');
    writeFileSync(join(cwd, 'runs/fixed-seed1/environment.json'), '{"schemaVersion":99}');
    const { code, stdout } = await runCli(['runs'], { cwd });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^4 runs in runs/);
    expect(stdout).toMatch(/\n3 folders passed over:\n/);
    for (const why of ['config.json is damaged', 'newer onecycle', 'runs/notes is no run']) {
      expect(stdout.replaceAll(/\s+/g, ' ')).toContain(why);
    }
    expect(stdout).not.toContain('todo');
  });

  test('a folder that is none, or is itself a run, is wrong usage', async () => {
    const cwd = await unpackRuns();
    const none = await runCli(['runs', 'nothing'], { cwd });
    expect([none.code, none.stderr]).toEqual([2, expect.stringMatching(/There is no folder nothing/)]);
    const run = await runCli(['runs', 'runs/fixed-seed0'], { cwd });
    expect([run.code, run.stderr]).toEqual([
      2,
      expect.stringMatching(/is a run.*onecycle show runs\/fixed-seed0/),
    ]);
  });
});

describe('runs --prune', () => {
  const CHECKPOINTS = ['best.ckpt', 'last.ckpt', 'previous.ckpt'];
  /** Runs as they are after training: those of the fixture were freed of their checkpoints, but for the interrupted one. */
  const withCheckpoints = async () => {
    const cwd = await unpackRuns();
    for (const name of ['fixed-seed0', 'fixed-seed1', '1cycle-seed0', '1cycle-seed1']) {
      cpSync(join(cwd, 'runs/1cycle-seed7/checkpoints'), join(cwd, 'runs', name, 'checkpoints'), {
        recursive: true,
      });
      mkdirSync(join(cwd, 'runs', name, 'model'));
      writeFileSync(join(cwd, 'runs', name, 'model', 'model.json'), '{}');
      writeFileSync(join(cwd, 'runs', name, 'model', 'weights.bin'), 'weights');
    }
    return cwd;
  };
  const checkpoints = (cwd: string, name: string) =>
    readdirSync(join(cwd, 'runs', name, 'checkpoints')).sort();

  test('without a terminal and without --yes says what would go, and removes nothing', async () => {
    const cwd = await withCheckpoints();
    const { code, stdout, stderr } = await runCli(['runs', '--prune'], { cwd });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^The checkpoints of 4 finished runs go, [\d.]+ [kM]B\./);
    expect(stderr).toMatch(/Nothing was removed.*Add --yes/);
    expect(checkpoints(cwd, 'fixed-seed0')).toEqual(CHECKPOINTS);
  });

  test('leaves the checkpoints where model/ is not whole: they hold the only good weights', async () => {
    const cwd = await withCheckpoints();
    const result = join(cwd, 'runs/fixed-seed0/result.json');
    const damaged = { ...(json(readFileSync(result, 'utf8')) as object), modelSha256: '0'.repeat(64) };
    writeFileSync(result, JSON.stringify(damaged));
    rmSync(join(cwd, 'runs/fixed-seed1/model'), { recursive: true });
    const { code, stderr } = await runCli(['runs', '--prune', '--yes'], { cwd });
    expect(code).toBe(1);
    expect(stderr).toMatch(/weights\.bin is not what the run wrote/u);
    expect(stderr).toMatch(/fixed-seed1 holds no model/u);
    expect(checkpoints(cwd, 'fixed-seed0')).toEqual(CHECKPOINTS);
    expect(checkpoints(cwd, 'fixed-seed1')).toEqual(CHECKPOINTS);
    expect(checkpoints(cwd, '1cycle-seed0')).toEqual([]);
  });

  test('--yes frees finished runs, and leaves interrupted ones and those in use alone', async () => {
    const cwd = await withCheckpoints();
    writeFileSync(join(cwd, 'runs/fixed-seed1/.lock'), ownLockText());
    rmSync(join(cwd, 'runs/1cycle-seed1/result.json'));
    const before = checkpoints(cwd, '1cycle-seed7');
    const { code, stdout, stderr } = await runCli(['runs', '--prune', '--yes', '--json'], { cwd });
    expect(code, stderr).toBe(0);
    const { pruned } = json(stdout) as { pruned: { runs: string[]; bytes: number } };
    expect(pruned.runs).toEqual(['runs/1cycle-seed0', 'runs/fixed-seed0']);
    expect(pruned.bytes).toBeGreaterThan(1000);
    expect(checkpoints(cwd, 'fixed-seed0')).toEqual([]);
    expect(checkpoints(cwd, 'fixed-seed1')).toEqual(CHECKPOINTS);
    expect(checkpoints(cwd, '1cycle-seed1')).toEqual(CHECKPOINTS);
    expect(checkpoints(cwd, '1cycle-seed7')).toEqual(before);
    // What was recorded stays, and is compared as before.
    expect(existsSync(join(cwd, 'runs/fixed-seed0/model/weights.bin'))).toBe(true);
    expect(existsSync(join(cwd, 'runs/fixed-seed0/.lock'))).toBe(false);
    const compared = await runCli(['compare', 'runs/1cycle-seed0', 'runs/fixed-seed0', '--json'], { cwd });
    expect(compared.code, compared.stderr).toBe(0);
    const again = await runCli(['runs', '--prune', '--yes', '--policy', 'fixed'], { cwd });
    expect([again.code, again.stderr]).toEqual([0, expect.stringMatching(/there is nothing to free/)]);
  });
});
