import { execa } from 'execa';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PYTHON, ROOT, runJson, runOnecycle } from './bench-child.js';
import { TORCH_MODES, type TorchMode } from './bench-peers.js';

/** One side of the experiment, from the start of its first process to the verdict. */
export interface ExperimentSide {
  readonly seconds: number;
  /** Final validation accuracies by policy, one a seed. */
  readonly accuracies: Readonly<Record<string, readonly number[]>>;
  readonly peakMegabytes: number;
}

/** All sides. */
export interface Experiment {
  readonly ours: ExperimentSide;
  /** PyTorch by mode; null where it is absent. */
  readonly torch: Readonly<Record<TorchMode, ExperimentSide>> | null;
  /** Why there is no other side. */
  readonly absent: string | null;
}

/** What is read of compare's document. */
interface CompareDocument {
  readonly arms: readonly {
    readonly policy: string;
    readonly runs: readonly { readonly final: { readonly validAccuracy: number } }[];
  }[];
}

/** Which part is trained: the default, or every weight. */
export const TRAINED = {
  'last:11': { ours: [], torch: [] },
  all: { ours: ['--trainable', 'all'], torch: ['--train-all'] },
} as const;

export type Trained = keyof typeof TRAINED;

/** `onecycle find-lr && onecycle compare` with defaults, against the same experiment in PyTorch. */
export async function benchExperiment(trained: Trained): Promise<Experiment> {
  const ours = await ourExperiment(trained);
  const { exitCode } = await execa(PYTHON, ['-c', 'import torch, PIL'], { reject: false });
  if (exitCode !== 0) {
    const absent = `${PYTHON} lacks torch or PIL (apt-get install -y python3-torch python3-pil)`;
    return { ours, torch: null, absent };
  }
  const installed = await torchExperiment(trained, 'installed');
  const tuned = await torchExperiment(trained, 'tuned');
  return { ours, torch: { installed, tuned }, absent: null };
}

async function ourExperiment(trained: Trained): Promise<ExperimentSide> {
  const options = TRAINED[trained].ours;
  const out = await mkdtemp(join(tmpdir(), 'onecycle-bench-'));
  try {
    const found = await runOnecycle(['find-lr', ...options, '--out', out]);
    const compared = await runOnecycle(['compare', ...options, '--json', '--out', out]);
    const { arms }: CompareDocument = JSON.parse(compared.stdout);
    return {
      seconds: found.seconds + compared.seconds,
      accuracies: Object.fromEntries(
        arms.map(({ policy, runs }) => [policy, runs.map(({ final }) => final.validAccuracy)]),
      ),
      peakMegabytes: Math.max(found.peakMegabytes, compared.peakMegabytes),
    };
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/** A process for each core: faster here than one process with as many threads. */
function torchExperiment(trained: Trained, mode: TorchMode): Promise<ExperimentSide> {
  const { env, args: modeArguments } = TORCH_MODES[mode];
  const options = {
    data: join(ROOT, 'data/cifar10-mini'),
    weights: join(ROOT, 'data/weights/mobilenet_v2_0.35_224'),
    processes: String(availableParallelism()),
    threads: '1',
  };
  const named = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const args = [...named, ...TRAINED[trained].torch, ...modeArguments];
  return runJson(PYTHON, [join(ROOT, 'test/bench/torch_experiment.py'), ...args], env);
}
