import { execa } from 'execa';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PYTHON, ROOT, runJson, runOnecycle } from './bench-child.js';
import { TORCH_MODES, type TorchMode } from './bench-peers.js';
import { ratios, spread, type Spread } from './bench-spread.js';

/** What one run of the experiment made. */
interface Outcome {
  /** Final validation accuracies by policy, one a seed. */
  readonly accuracies: Readonly<Record<string, readonly number[]>>;
  readonly peakMegabytes: number;
}

/** One side: what its last run made. */
export interface ExperimentSide extends Outcome {
  /** From the start of its first process to the end of its last. */
  readonly seconds: Spread;
}

/** All sides. */
export interface Experiment {
  readonly rounds: number;
  readonly ours: ExperimentSide;
  /** The other build; null where none is named. */
  readonly other: ExperimentSide | null;
  /** PyTorch by mode; null where it is absent. */
  readonly torch: Readonly<Record<TorchMode, ExperimentSide>> | null;
  /** Ours over theirs, by rounds. */
  readonly ratios: Readonly<Record<TorchMode, Spread>> | null;
  readonly overOther: Spread | null;
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

/** Whom to measure beside this build. */
export interface ExperimentPeers {
  readonly torch: boolean;
  /** The folder of another build. */
  readonly other: string | undefined;
}

/** `onecycle find-lr && onecycle compare` with defaults, against the same experiment in PyTorch and in another build, in turns. */
export async function benchExperiment(
  trained: Trained,
  rounds: number,
  { torch, other }: ExperimentPeers,
): Promise<Experiment> {
  const absent = torch ? await whyNoTorch() : 'not asked for';
  const here = absent === null;
  const [ours, others, installed, tuned]: [Timed[], Timed[], Timed[], Timed[]] = [[], [], [], []];
  for (let round = 0; round < rounds; round++) {
    ours.push(await timed(() => onecycleExperiment(trained, ROOT)));
    if (other !== undefined) others.push(await timed(() => onecycleExperiment(trained, other)));
    if (!here) continue;
    installed.push(await timed(() => torchExperiment(trained, 'installed')));
    tuned.push(await timed(() => torchExperiment(trained, 'tuned')));
  }
  return {
    rounds,
    ours: sideOf(ours),
    other: other === undefined ? null : sideOf(others),
    torch: here ? { installed: sideOf(installed), tuned: sideOf(tuned) } : null,
    ratios: here ? { installed: over(ours, installed), tuned: over(ours, tuned) } : null,
    overOther: other === undefined ? null : over(ours, others),
    absent,
  };
}

async function whyNoTorch(): Promise<string | null> {
  const { exitCode } = await execa(PYTHON, ['-c', 'import torch, PIL'], { reject: false });
  return exitCode === 0
    ? null
    : `${PYTHON} lacks torch or PIL (apt-get install -y python3-torch python3-pil)`;
}

interface Timed {
  readonly seconds: number;
  readonly outcome: Outcome;
}

async function timed(run: () => Promise<Outcome>): Promise<Timed> {
  const begin = performance.now();
  const outcome = await run();
  return { seconds: (performance.now() - begin) / 1000, outcome };
}

function sideOf(runs: readonly Timed[]): ExperimentSide {
  const last = runs.at(-1);
  if (last === undefined) throw new RangeError('no rounds');
  return { ...last.outcome, seconds: spread(runs.map(({ seconds }) => seconds)) };
}

function over(ours: readonly Timed[], theirs: readonly Timed[]): Spread {
  const secondsOf = (runs: readonly Timed[]) => runs.map(({ seconds }) => seconds);
  return ratios(secondsOf(ours), secondsOf(theirs));
}

async function onecycleExperiment(trained: Trained, root: string): Promise<Outcome> {
  const options = TRAINED[trained].ours;
  const out = await mkdtemp(join(tmpdir(), 'onecycle-bench-'));
  // What one command keeps for the next counts, what earlier rounds have kept does not.
  const env = { ONECYCLE_CACHE: join(out, '.cache') };
  try {
    const found = await runOnecycle(['find-lr', ...options, '--out', out], root, env);
    const compared = await runOnecycle(['compare', ...options, '--json', '--out', out], root, env);
    const { arms }: CompareDocument = JSON.parse(compared.stdout);
    return {
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
function torchExperiment(trained: Trained, mode: TorchMode): Promise<Outcome> {
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
