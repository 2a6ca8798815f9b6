import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BACKENDS } from '../../src/engine/backends/backend-info.js';
import { startBackend } from '../../src/engine/backends/choose.js';
import { openEngine } from '../../src/engine/open-engine.js';
import { initHead } from '../../src/model/network.js';
import { foldedMobileNetV2, randomMobileNetV2 } from './random-mobilenet.js';

// Speed of a full training step on every backend of a machine that is reached by copying files alone, beside PyTorch on
// CUDA where there is one. Every measurement is a process of its own. Prints a table, or one JSON document.
//
// A case is width:size:batch, and :train behind it for batch norm in training mode.
// usage: pack-bench [--json] [--seconds 4] [--cases 0.35:96:32,1:224:64:train,...] [--backends tensorflow,webgpu,wasm] [--python python3]
const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '4' },
    cases: {
      type: 'string',
      default:
        '0.35:96:32,0.35:96:128,0.35:224:32,1:224:32,1:224:64,0.35:96:32:train,0.35:224:32:train,1:224:64:train',
    },
    backends: { type: 'string', default: 'tensorflow,webgpu,wasm' },
    python: { type: 'string', default: 'python3' },
    // In the process of one measurement: the backend to measure.
    measure: { type: 'string' },
  },
});

interface Case {
  readonly alpha: number;
  readonly size: number;
  readonly batch: number;
  readonly batchNorm: 'fold' | 'train';
}

interface Row extends Case {
  readonly engine: string;
  readonly device: string;
  /** Milliseconds an image where the loss is read at every step, and where it is read late; or why there is none. */
  readonly msPerImage: number | null;
  readonly lateMsPerImage: number | null;
  readonly failure: string | null;
}

const cases = values.cases.split(',').map((text): Case => {
  const [alpha = '0.35', size = '96', batch = '32', mode] = text.split(':');
  const batchNorm = mode === 'train' ? mode : 'fold';
  return { alpha: Number(alpha), size: Number(size), batch: Number(batch), batchNorm };
});

if (values.measure === undefined) measureAll();
else for (const measured of cases) console.log(JSON.stringify(await measure(values.measure, measured)));

function measureAll(): void {
  const rows: Row[] = [];
  for (const one of cases) {
    for (const backend of values.backends.split(',')) rows.push(inOwnProcess(backend, one));
    rows.push(torch(one));
    for (const row of rows.slice(-1 - values.backends.split(',').length))
      if (!values.json) console.log(line(row));
  }
  if (values.json) console.log(JSON.stringify({ node: process.version, rows }, null, 2));
}

function inOwnProcess(backend: string, one: Case): Row {
  const self = fileURLToPath(import.meta.url);
  const text = `${one.alpha}:${one.size}:${one.batch}:${one.batchNorm}`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [self, '--measure', backend, '--cases', text, '--seconds', values.seconds],
    { encoding: 'utf8', timeout: 300_000 },
  );
  const row = lastLine(stdout);
  return row.startsWith('{') ? JSON.parse(row) : failed(backend, one, lastLine(stderr) || 'no answer');
}

function torch(one: Case): Row {
  const script = fileURLToPath(new URL('torch_mobilenet.py', import.meta.url));
  const { alpha, size, batch, batchNorm } = one;
  const work = { alpha, size, batch, 'batch-norm': batchNorm, steps: 30, device: 'cuda' };
  const args = Object.entries(work).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const { stdout, stderr, error } = spawnSync(values.python, [script, ...args], {
    encoding: 'utf8',
    timeout: 300_000,
  });
  const answer = lastLine(stdout ?? '');
  if (!answer.startsWith('{')) return failed('torch cuda', one, error?.message ?? lastLine(stderr ?? ''));
  const { engine, msPerImage } = JSON.parse(answer);
  return {
    ...one,
    engine,
    device: 'cuda',
    msPerImage: msPerImage.all,
    lateMsPerImage: null,
    failure: null,
  };
}

async function measure(backend: string, one: Case): Promise<Row> {
  try {
    if (!BACKENDS.some((name) => name === backend)) throw new Error(`no such backend: ${backend}`);
    const { device } = await startBackend(backend);
    const times = await stepTimes(one);
    return { ...one, engine: backend, device, ...times, failure: null };
  } catch (error) {
    return failed(backend, one, error instanceof Error ? error.message : String(error));
  }
}

async function stepTimes({ alpha, size, batch, batchNorm }: Case) {
  const network = batchNorm === 'train' ? randomMobileNetV2 : foldedMobileNetV2;
  const { backbone, parameters } = network(alpha);
  const optimizer = { labelSmoothing: 0, weightDecay: 0, headLrMultiplier: 1 };
  const head = initHead(backbone.features, 10, 0);
  const setup = { backbone, parameters, head, firstTrained: 0, imageSize: size, ...optimizer };
  const workers = Number(process.env['WORKERS'] ?? 0) || (await import('node:os')).availableParallelism();
  const engine = await openEngine(setup, batch, workers);
  const numbers = new Float32Array(new SharedArrayBuffer(batch * size * size * 3 * 4));
  for (let i = 0; i < numbers.length; i++) numbers[i] = Math.sin(i);
  const input = { kind: 'features', values: numbers, shape: engine.featureShape } as const;
  const labels = Int32Array.from({ length: batch }, (_, i) => i % 10);
  const rates = { learningRate: 1e-4, momentum: 0.9 };
  for (let i = 0; i < 3; i++) await engine.step(input, labels, rates);
  const promptly = await timed(async () => void (await engine.step(input, labels, rates)));
  const { late } = engine;
  const group = async () => {
    const begun = [];
    for (let i = 0; i < (late?.every ?? 1); i++) begun.push(await late?.begin(input, labels, rates));
    for (const step of begun) await step?.loss();
  };
  const lately = late === undefined ? null : (await timed(group)) / late.every;
  await engine.dispose();
  return { msPerImage: promptly / batch, lateMsPerImage: lately === null ? null : lately / batch };
}

/** Median milliseconds over the wanted seconds, over three times at least. */
async function timed(work: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  const until = performance.now() + Number(values.seconds) * 1000;
  do {
    const begin = performance.now();
    await work();
    times.push(performance.now() - begin);
  } while (performance.now() < until || times.length < 3);
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? NaN;
}

function failed(engine: string, one: Case, failure: string): Row {
  return { ...one, engine, device: '', msPerImage: null, lateMsPerImage: null, failure };
}

function line(row: Row): string {
  const { engine, device, alpha, size, batch, batchNorm, msPerImage, lateMsPerImage, failure } = row;
  const mode = batchNorm === 'train' ? ', training mode' : '';
  const work = `V2 ${alpha} at ${size}, batch ${batch}${mode}`.padEnd(42);
  if (msPerImage === null) return `${work}${engine.padEnd(20)}-  ${failure ?? ''}`;
  const best = Math.min(msPerImage, lateMsPerImage ?? Infinity);
  const late = lateMsPerImage === null ? '' : `, loss read late ${lateMsPerImage.toFixed(3)}`;
  return `${work}${engine.padEnd(20)}${msPerImage.toFixed(3)} ms an image${late} = ${(1000 / best).toFixed(0)} images/s  ${device}`;
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}
