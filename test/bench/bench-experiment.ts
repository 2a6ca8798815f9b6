import { execa } from 'execa';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PYTHON, ROOT, runJson, runOnecycle } from './bench-child.js';

/** One side of the experiment, from the start of its first process to the verdict. */
export interface ExperimentSide {
  readonly seconds: number;
  /** Final validation accuracies by policy, one a seed. */
  readonly accuracies: Readonly<Record<string, readonly number[]>>;
  readonly peakMegabytes: number;
}

/** Both sides, and ours over theirs. */
export interface Experiment {
  readonly ours: ExperimentSide;
  readonly torch: ExperimentSide | null;
  /** Why there is no other side. */
  readonly absent: string | null;
  readonly ratio: number | null;
}

/** What is read of compare's document. */
interface CompareDocument {
  readonly arms: readonly {
    readonly policy: string;
    readonly runs: readonly { readonly final: { readonly validAccuracy: number } }[];
  }[];
}

/** `onecycle find-lr && onecycle compare` with nothing but defaults, against the same experiment in PyTorch. */
export async function benchExperiment(): Promise<Experiment> {
  const ours = await ourExperiment();
  const { exitCode } = await execa(PYTHON, ['-c', 'import torch, PIL'], { reject: false });
  if (exitCode !== 0) {
    const absent = `${PYTHON} lacks torch or PIL (apt-get install -y python3-torch python3-pil)`;
    return { ours, torch: null, absent, ratio: null };
  }
  const torch = await torchExperiment();
  return { ours, torch, absent: null, ratio: ours.seconds / torch.seconds };
}

async function ourExperiment(): Promise<ExperimentSide> {
  const out = await mkdtemp(join(tmpdir(), 'onecycle-bench-'));
  try {
    const found = await runOnecycle(['find-lr', '--out', out]);
    const compared = await runOnecycle(['compare', '--json', '--out', out]);
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
function torchExperiment(): Promise<ExperimentSide> {
  const options = {
    data: join(ROOT, 'data/cifar10-mini'),
    weights: join(ROOT, 'data/weights/mobilenet_v2_0.35_224'),
    processes: String(availableParallelism()),
    threads: '1',
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  return runJson(PYTHON, [join(ROOT, 'test/bench/torch_experiment.py'), ...args]);
}
