import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  EVERY_STEP,
  interrupt,
  interruptAfter,
  lines,
  outcome,
  runFolders,
  SMALL_RUN,
} from './interrupted-run.js';
import { runCli, startCli } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'onecycle-signals-'));
  await tinyImages(join(root, 'data'), { train: 20, valid: 4 });
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface Comparison {
  readonly verdict: object;
  readonly arms: readonly { finalAccuracy: object; validLoss: object; stepsToTarget: object }[];
}

const RUN = '1cycle-seed0';
const train = (name: string, ...more: string[]) => [
  ...['train', '--data', join(root, 'data'), '--out', join(root, name), ...SMALL_RUN],
  ...more,
];
const stepsOf = (name: string, run = RUN) => lines(join(root, name, run, 'steps.jsonl')).length;

describe('under nohup', () => {
  it('the end of the terminal ends nothing, and other signals do', async () => {
    const child = startCli(train('nohup', '--epochs', '20', '--quiet'), { env: { _: '/usr/bin/nohup' } });
    while (!existsSync(join(root, 'nohup', RUN)) || stepsOf('nohup') < 5) await sleep(20);
    child.kill('SIGHUP');
    const before = stepsOf('nohup');
    while (stepsOf('nohup') < before + 5) await sleep(20);
    child.kill('SIGTERM');
    expect((await child).exitCode).toBe(143);
  });
});

describe('the first signal', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s saves, reports what there is, names the way on, exits %d', async (signal, expected) => {
    const { code, stdout, stderr } = await interrupt(
      train(signal, '--epochs', '20'),
      () => stepsOf(signal) >= 14,
      signal,
    );
    expect(code, stderr).toBe(expected);
    const dir = join(root, signal, RUN);
    expect(stdout).toContain(': interrupted after ');
    expect(stderr).toContain(`${signal}: finishing the step and saving; once more to quit at once`);
    expect(stderr).toMatch(new RegExp(`^Next     .* train --resume ${dir}$`, 'm'));
    expect(JSON.parse(readFileSync(join(dir, 'result.json'), 'utf8'))).toMatchObject({
      status: 'interrupted',
    });
    expect(existsSync(join(dir, '.lock'))).toBe(false);
  });

  it('is heard with several workers, and leaves one JSON document on stdout', async () => {
    const args = train('workers', '--epochs', '20', '--batch-size', '8', '--workers', '2', '--json');
    const { code, stdout } = await interruptAfter(args, join(root, 'workers', RUN), 3);
    expect(code).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'interrupted', command: 'train' });
  });

  it.runIf(process.platform === 'linux')('ends the decoding of images cleanly', async () => {
    // 2 megapixels each: decoding 300 of them takes seconds.
    const folder = join(root, 'photographs');
    await tinyImages(folder, { train: 1, valid: 1, side: 1400 });
    for (const name of ['ants', 'bees']) {
      for (let i = 1; i < 150; i++) {
        symlinkSync('0.png', join(folder, 'train', name, `${i}.png`));
      }
    }
    const child = startCli(['train', '--data', folder, '--out', join(root, 'none'), '--image-size', '32']);
    while (!catchesHangUp(child.pid!)) await sleep(5);
    await sleep(500);
    child.kill('SIGHUP');
    const { exitCode, stdout, stderr } = await child;
    expect(exitCode).toBe(129);
    expect(stdout).toBe('');
    expect(stderr).toContain('Interrupted before anything was trained: there is no run to go on with.');
    expect(runFolders(join(root, 'none'))).toEqual([]);
  });
});

/** Whether a process has begun to listen to SIGHUP: bit 0 of SigCgt, proc(5). Node itself catches SIGINT from the start. */
function catchesHangUp(pid: number): boolean {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return (BigInt(`0x${/SigCgt:\s*(\w+)/.exec(status)![1]}`) & 1n) === 1n;
}

it('the second signal ends the program at once, and the run goes on all the same', async () => {
  const args = train('twice', '--epochs', '6');
  const child = startCli(args, { env: EVERY_STEP });
  while (stepsOf('twice') < 9) await sleep(2);
  child.kill('SIGINT');
  child.kill('SIGTERM');
  const { exitCode, signal } = await child;
  // Both may be heard in one turn, or the system may end it at the second, or the first may have finished its work by then.
  expect([130, 143, 'SIGINT', 'SIGTERM']).toContain(exitCode ?? signal);
  const { code, stderr } = await runCli(['train', '--resume', join(root, 'twice', RUN), '--quiet']);
  expect(code, stderr).toBe(0);
  expect((await runCli(train('once', '--epochs', '6', '--quiet'))).code).toBe(0);
  expect(outcome(join(root, 'twice', RUN))).toEqual(outcome(join(root, 'once', RUN)));
});

describe('the second signal ends a program that hears nothing any more', () => {
  const STUCK = {
    'in a loop': 'for (;;);',
    'in a loop of promises': 'const again = () => Promise.resolve().then(again); again();',
  };
  it.each(Object.entries(STUCK))('%s', async (how, loop) => {
    // The program is made to hang as soon as it has heard the first signal.
    const hang = join(root, `${how.replaceAll(' ', '-')}.mjs`);
    const stuck = `setImmediate(() => { process.stderr.write('stuck\\n'); ${loop} })`;
    writeFileSync(hang, `process.once('SIGTERM', () => setImmediate(() => ${stuck}));\n`);
    const args = train(`stuck ${how}`, '--epochs', '200');
    const child = startCli(args, { flags: ['--import', pathToFileURL(hang).href] });
    while (stepsOf(`stuck ${how}`) < 2) await sleep(5);
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += String(chunk)));
    child.kill('SIGTERM');
    while (!said.includes('stuck')) await sleep(5);
    child.kill('SIGTERM');
    expect((await child).signal).toBe('SIGTERM');
  });
});

describe('compare', () => {
  const compare = (name: string, ...more: string[]) => [
    ...['compare', '--data', join(root, 'data'), '--out', join(root, name), ...SMALL_RUN],
    ...['--seeds', '2', '--json', '--quiet'],
    ...more,
  ];
  const runs = ['fixed-seed0', RUN, 'fixed-seed1', '1cycle-seed1'];
  // A range test found their rates; one that was killed is made again.
  const trained = (name: string) =>
    runFolders(join(root, name)).filter((dir) => !basename(dir).startsWith('find-lr'));

  it('interrupted with several jobs, goes on when the same command is run again', async () => {
    const stopped = await interrupt(
      compare('parts', '--jobs', '2'),
      () => stepsOf('parts') >= 5 && stepsOf('parts', 'fixed-seed0') >= 5,
    );
    expect(stopped.code, stopped.stderr).toBe(130);
    expect(JSON.parse(stopped.stdout)).toMatchObject({ status: 'interrupted', command: 'compare' });
    expect(stopped.stderr).not.toContain('Next  ');

    const again = await runCli(compare('parts', '--jobs', '1', '--workers', '2'));
    expect(again.code, again.stderr).toBe(0);
    const whole = await runCli(compare('whole', '--jobs', '2'));
    expect(whole.code, whole.stderr).toBe(0);
    // No run was begun a second time.
    expect(trained('parts')).toHaveLength(runs.length);
    for (const run of runs) {
      expect(outcome(join(root, 'parts', run))).toEqual(outcome(join(root, 'whole', run)));
    }
    const [first, second] = [again, whole].map(({ stdout }) => JSON.parse(stdout) as Comparison);
    expect(first!.verdict).toEqual(second!.verdict);
    const results = ({ arms }: Comparison) =>
      arms.map(({ finalAccuracy, validLoss, stepsToTarget }) => [finalAccuracy, validLoss, stepsToTarget]);
    expect(results(first!)).toEqual(results(second!));
  });

  it('trains twelve runs side by side without a warning of Node', async () => {
    const options = ['--jobs', '12', '--seeds', '6', '--epochs', '1', '--lr', '0.01', '--quiet'];
    const { code, stderr } = await runCli(compare('twelve', ...options));
    expect(code, stderr).toBe(0);
    expect(stderr).toBe('');
    expect(runFolders(join(root, 'twelve'))).toHaveLength(12);
  });

  it('killed, does so too', async () => {
    await interrupt(compare('killed', '--jobs', '2'), () => stepsOf('killed') >= 12, 'SIGKILL');
    const again = await runCli(compare('killed'));
    expect(again.code, again.stderr).toBe(0);
    expect(trained('killed')).toHaveLength(runs.length);
    expect(outcome(join(root, 'killed', RUN))).toEqual(outcome(join(root, 'whole', RUN)));
  });
});
