import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { runCli, scratchFolder, type CliResult } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

const SMALL = ['--image-size', '32', '--batch-size', '8', '--epochs', '2', '--workers', '1', '--quiet'];
/** Everything a run leaves that depends on its weights. */
const TRACES = ['steps.jsonl', 'predictions.jsonl', 'model/weights.bin'];

let data: string;
let out: string;
let config: string;
beforeAll(async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'onecycle-find-lr-'));
  data = join(scratch, 'data');
  out = join(scratch, 'runs');
  config = join(scratch, 'finder.json');
  await tinyImages(data, { train: 24, valid: 8 });
  await writeFile(config, JSON.stringify({ steps: 40, seeds: 2, minLr: 1e-5, maxLr: 1 }));
  return () => rm(scratch, { recursive: true, force: true });
});

const run = (command: string, ...args: string[]): Promise<CliResult> =>
  runCli([command, '--data', data, '--out', out, '--config', config, ...SMALL, ...args]);

interface Document {
  readonly run: string;
  readonly config: { readonly lr: number; readonly lrFrom?: string };
}

/** What a command printed; on stderr it may say where the range test lies, and nothing else. */
async function document(result: CliResult): Promise<Document> {
  expect(result.stderr).toMatch(/^(The learning rate comes from the range test in \S+\n?)?$/);
  expect(result.code).toBe(0);
  return JSON.parse(result.stdout) as Document;
}

const traces = (dir: string) => Promise.all(TRACES.map((name) => readFile(join(dir, name))));

describe('train with a rate from the range test', () => {
  it.each([
    ['1cycle', 'last:3'],
    ['fixed', 'last:3'],
    ['1cycle', 'all'],
    ['1cycle', 'head'],
  ])('%s, %s: the finder leaves no trace in the training after it', async (policy, trainable) => {
    const same = ['--policy', policy, '--trainable', trainable, '--json'];
    const auto = await document(await run('train', ...same, '--lr', 'auto'));
    const stated = await document(await run('train', ...same, '--lr', String(auto.config.lr), '--again'));
    const { lrFrom, ...config } = auto.config;
    expect(config).toMatchObject({ lrSource: 'range-test' });
    expect(stated.config).toEqual({ ...config, lrSource: 'stated' });
    expect(JSON.parse(await readFile(join(lrFrom!, 'result.json'), 'utf8'))).toMatchObject({
      status: 'completed',
      config: { trainable, seeds: 2 },
      recommended: { [policy === '1cycle' ? 'learningRate' : 'fixedLearningRate']: auto.config.lr },
    });
    expect(stated.run).not.toBe(auto.run);
    expect(await traces(stated.run)).toEqual(await traces(auto.run));
  });

  it('--lr from:RUN takes the rate of the policy, and says where that test was another', async () => {
    const finder = ['--trainable', 'last:3', '--json'];
    const found = JSON.parse((await run('find-lr', ...finder)).stdout) as {
      run: string;
      recommended: { learningRate: number; fixedLearningRate: number };
    };
    const plan = (...args: string[]) =>
      run('train', '--dry-run', '--json', '--lr', `from:${found.run}`, ...args);
    const cycle = await document(await plan('--trainable', 'last:3'));
    expect(cycle.config.lr).toBe(found.recommended.learningRate);
    const fixed = await document(await plan('--trainable', 'last:3', '--policy', 'fixed'));
    expect(fixed.config.lr).toBe(found.recommended.fixedLearningRate);
    const other = await plan('--trainable', 'last:4');
    expect(other.code).toBe(0);
    expect(other.stderr).toMatch(
      /that range test was made with --trainable last:3; its rate may not fit here/,
    );
  });

  it.each<[string, string | null, RegExp]>([
    ['no folder', null, /there is no .*suggestion\.json\. Expected the folder of a finished find-lr run/],
    ['half a file', '{"recommended": {"learn', /suggestion\.json is damaged: /],
    ['null', 'null', /suggestion\.json is damaged: /],
    [
      'other numbers',
      '{"recommended":{"learningRate":-1,"fixedLearningRate":1}}',
      /holds no recommended rates/,
    ],
    ['a refusal', '{"recommended":null,"reason":"Too flat."}', /that range test gave no rate\. Too flat\./],
  ])('--lr from: %s is a usage error', async (_name, text, message) => {
    const dir = join(await scratchFolder(), 'run');
    if (text !== null) {
      await mkdir(dir);
      await writeFile(join(dir, 'suggestion.json'), text);
      for (const name of ['config', 'environment', 'dataset'])
        await writeFile(join(dir, `${name}.json`), '{}');
    }
    const result = await run('train', '--lr', `from:${dir}`);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(message);
  });

  it('compare and --resume take no range test for a run', async () => {
    const { run: folder } = JSON.parse((await run('find-lr', '--json')).stdout) as { run: string };
    const compared = await run('compare', folder);
    expect(compared).toMatchObject({ code: 2, stdout: '' });
    expect(compared.stderr).toMatch(/None of the folders holds a training run/);
    const resumed = await run('train', '--resume', folder);
    expect(resumed).toMatchObject({ code: 2, stdout: '' });

    // Among the runs in --out it is passed over without a word.
    const both = await run('compare', '--seeds', '1', '--trainable', 'head', '--jobs', '1', '--json');
    expect(both.code).toBe(0);
    expect((JSON.parse(both.stdout) as { arms: unknown[] }).arms).toHaveLength(2);
  });
});
