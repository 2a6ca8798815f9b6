import { execa } from 'execa';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { PYTHON, ROOT, runJson, runScript } from './bench-child.js';

/** The work of one measured step, and how often it is done. */
export interface StepCase {
  readonly key: string;
  readonly alpha: number;
  readonly size: number;
  readonly batch: number;
  readonly steps: number;
  readonly warmUp: number;
  /** Folded into the convolutions, or in training mode after each of them. */
  readonly batchNorm: 'fold' | 'train';
}

/** What one child process measured. */
export interface Measured {
  /** By trained part, and 'forward'; a peer has 'all' and perhaps 'forward'. */
  readonly msPerImage: Readonly<Record<string, number>>;
  readonly peakMegabytes: number;
}

/** A program that makes the same step. */
export interface Peer {
  readonly name: string;
  /** Why it is not here. */
  readonly absent?: string;
  /** Whether it makes that step; all do where nothing is said. */
  takes?(work: StepCase): boolean;
  measure(work: StepCase): Promise<Measured>;
}

/** Our own engine on all cores. */
export const onecycle: Peer = {
  name: 'onecycle',
  measure: (work) =>
    runScript('our-step.ts', [
      ...stepArguments(work),
      ...['--workers', String(availableParallelism())],
      ...(work.batchNorm === 'train' ? ['--trainable', 'all'] : []),
    ]),
};

/** And with batch norm folded, to see what training mode costs. */
export const folded: Peer = {
  name: 'onecycle, folded',
  takes: ({ batchNorm }) => batchNorm === 'train',
  measure: (work) =>
    runScript('our-step.ts', [
      ...stepArguments({ ...work, batchNorm: 'fold' }),
      ...['--workers', String(availableParallelism()), '--trainable', 'all'],
    ]),
};

/** And on one thread, to see what the others bring. */
export const oneThread: Peer = {
  name: 'onecycle, one thread',
  measure: (work) =>
    runScript('our-step.ts', [...stepArguments(work), '--workers', '1', '--trainable', 'all']),
};

/**
 * How PyTorch is run: as it is installed, or tuned. glibc gives large blocks back to the system after every use, which
 * on some virtual machines costs PyTorch most of its time; and its convolutions like channels last.
 */
export const TORCH_MODES = {
  installed: { name: 'PyTorch', env: {}, args: [] },
  tuned: {
    name: 'PyTorch, tuned',
    env: { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: '8000000000', MALLOC_TOP_PAD_: '64000000' },
    args: ['--channels-last'],
  },
} as const;

export type TorchMode = keyof typeof TORCH_MODES;

/** PyTorch on all cores. */
export async function pyTorch(mode: TorchMode): Promise<Peer> {
  const { name, env, args } = TORCH_MODES[mode];
  const { exitCode } = await execa(PYTHON, ['-c', 'import torch'], { reject: false });
  const script = join(ROOT, 'test/bench/torch_mobilenet.py');
  return {
    name,
    ...(exitCode === 0 ? {} : { absent: `${PYTHON} has no torch (apt-get install -y python3-torch)` }),
    measure: (work) => {
      const threads = ['--threads', String(availableParallelism())];
      return runJson(PYTHON, [script, ...stepArguments(work), ...threads, ...args], env);
    },
  };
}

/** tfjs-node on native TensorFlow: installed, or brought by test/backends/fetch-tensorflow.sh. */
export function tfjsNode(): Peer {
  const fetched = 'node_modules/.cache/onecycle/tensorflow';
  const named = (process.env['NODE_PATH'] ?? '').split(delimiter);
  const places = [...named, join(ROOT, 'node_modules'), join(ROOT, fetched, 'node_modules')];
  const found = places
    .flatMap((place) => ['tfjs-node-gpu', 'tfjs-node'].map((name) => join(place, '@tensorflow', name)))
    .find(hasNativePart);
  const fetch = `bash test/backends/fetch-tensorflow.sh ${fetched}`;
  return {
    name: 'tfjs-node',
    ...(found === undefined ? { absent: `no tfjs-node with its native part is here (${fetch})` } : {}),
    takes: ({ batchNorm }) => batchNorm === 'fold',
    measure: (work) => {
      // Several times slower than the others: fewer steps.
      const fewer = { ...work, steps: Math.max(3, Math.ceil(work.steps / 5)), warmUp: 1 };
      return runScript('tfjs-node-step.ts', [...stepArguments(fewer), '--package', found ?? '']);
    },
  };
}

function hasNativePart(folder: string): boolean {
  const lib = join(folder, 'lib');
  return existsSync(lib) && readdirSync(lib).some((abi) => existsSync(join(lib, abi, 'tfjs_binding.node')));
}

function stepArguments({ alpha, size, batch, steps, warmUp, batchNorm }: StepCase): string[] {
  const options = { alpha, size, batch, steps, 'warm-up': warmUp, 'batch-norm': batchNorm };
  return Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
}
