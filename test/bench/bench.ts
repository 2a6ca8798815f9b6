import { execa } from 'execa';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

// Speed beside peers on the same machine in the same minutes: rounds of one child process each, taken in
// turns, so that a noisy neighbour hits both. Ratios are ours over theirs: below 1 we are faster.
const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
  },
});
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const ROUNDS = Number(options.rounds);
const PYTHON = '/usr/bin/python3';

const CASES = [
  { key: 'v2-0.35-96', alpha: 0.35, size: 96, batch: 32, steps: 20 },
  { key: 'v2-0.35-128', alpha: 0.35, size: 128, batch: 32, steps: 12 },
  { key: 'v2-0.35-224', alpha: 0.35, size: 224, batch: 32, steps: 6 },
  { key: 'v2-1.0-224', alpha: 1, size: 224, batch: 16, steps: 4 },
] as const;

interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

interface Row {
  readonly engine: string;
  readonly network: string;
  readonly size: number;
  readonly batch: number;
  readonly msPerImage: Spread;
}

interface OurStep {
  readonly msPerImage: { readonly full: number; readonly forward: number };
  readonly peakMegabytes: number;
}

const say = (line: string) => process.stderr.write(`${line}\n`);
const spread = (numbers: readonly number[]): Spread => {
  const sorted = numbers.toSorted((a, b) => a - b);
  return { median: sorted[sorted.length >> 1] ?? NaN, low: sorted[0] ?? NaN, high: sorted.at(-1) ?? NaN };
};

async function ours({ alpha, size, batch, steps }: (typeof CASES)[number]): Promise<OurStep> {
  const args = ['--alpha', alpha, '--size', size, '--batch', batch, '--steps', steps, '--workers', cpus().length];
  const script = join(ROOT, 'test/bench/our-step.ts');
  const { stdout } = await execa('npx', ['tsx', script, ...args.map(String)], { cwd: ROOT });
  return JSON.parse(stdout);
}

async function torch({ alpha, size, batch, steps }: (typeof CASES)[number]): Promise<number> {
  const args = ['--alpha', alpha, '--size', size, '--batch', batch, '--steps', steps, '--threads', cpus().length];
  const { stdout } = await execa(PYTHON, [join(ROOT, 'test/bench/torch_mobilenet.py'), ...args.map(String)]);
  return JSON.parse(stdout).msPerImage.median;
}

/** Wall-clock milliseconds of a command that only starts and ends. */
async function startUp(args: readonly string[]): Promise<number> {
  const begin = performance.now();
  await execa(process.execPath, args);
  return performance.now() - begin;
}

const hasTorch = (await execa(PYTHON, ['-c', 'import torch'], { reject: false })).exitCode === 0;
if (!hasTorch) say('PyTorch is absent (apt-get install python3-torch): no ratios to it.');

const rows: Row[] = [];
const torchRatios: Record<string, Spread | null> = {};
let peakMegabytes = 0;
for (const entry of CASES.filter(({ key }) => key.includes(options.only))) {
  const own: OurStep[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    say(`${entry.key}, round ${round + 1} of ${ROUNDS}`);
    own.push(await ours(entry));
    if (hasTorch) theirs.push(await torch(entry));
  }
  const { size, batch } = entry;
  const network = `MobileNetV2 ${entry.alpha}`;
  rows.push(
    { engine: 'onecycle, full step', network, size, batch, msPerImage: spread(own.map((o) => o.msPerImage.full)) },
    { engine: 'onecycle, forward', network, size, batch, msPerImage: spread(own.map((o) => o.msPerImage.forward)) },
  );
  if (hasTorch) rows.push({ engine: 'PyTorch, full step', network, size, batch, msPerImage: spread(theirs) });
  torchRatios[entry.key] = hasTorch ? spread(own.map((o, i) => o.msPerImage.full / (theirs[i] ?? NaN))) : null;
  peakMegabytes = Math.max(peakMegabytes, ...own.map((o) => o.peakMegabytes));
}

const help: number[] = [];
const bare: number[] = [];
for (let i = 0; i < 10; i++) {
  help.push(await startUp([join(ROOT, 'bin/onecycle.js'), '--help']));
  bare.push(await startUp(['-e', '0']));
}

const document = {
  machine: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
  rows,
  ratios: {
    torch: Object.fromEntries(CASES.map(({ key }) => [key, torchRatios[key]?.median ?? null])),
    torchSpread: torchRatios,
    tfjsNode: null,
    experiment: null,
    startUp: spread(help.map((ms, i) => ms / (bare[i] ?? NaN))).median,
  },
  peakMegabytes: Math.round(peakMegabytes),
};

if (options.json) console.log(JSON.stringify(document, null, 2));
else {
  const show = ({ median, low, high }: Spread) => `${median.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
  console.log(`${document.machine}; milliseconds an image, median [lowest, highest] of ${ROUNDS} rounds\n`);
  console.log('| network | size | batch | engine | ms per image |\n|---|---|---|---|---|');
  for (const { network, size, batch, engine, msPerImage } of rows) {
    console.log(`| ${network} | ${size} | ${batch} | ${engine} | ${show(msPerImage)} |`);
  }
  console.log('\n| ratio, ours over PyTorch | median [lowest, highest] |\n|---|---|');
  for (const [key, ratio] of Object.entries(torchRatios)) console.log(`| ${key} | ${ratio === null ? 'absent' : show(ratio)} |`);
  console.log(`\n--help over bare node: ${document.ratios.startUp.toFixed(2)}; peak memory of a measurement: ${document.peakMegabytes} MB`);
}
