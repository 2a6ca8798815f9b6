import { availableParallelism, cpus } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type AgainstRow, benchAgainst, missingPart } from './bench-against.js';
import { benchExperiment, type Experiment } from './bench-experiment.js';
import { folded, onecycle, oneThread, pyTorch, tfjsNode, type Peer, type TorchMode } from './bench-peers.js';
import { benchPipeline } from './bench-pipeline.js';
import { benchReport, type BenchDocument, type ByKey } from './bench-report.js';
import type { Spread } from './bench-spread.js';
import { benchStart } from './bench-start.js';
import { benchRoofline } from './bench-roofline.js';
import { benchThreads } from './bench-threads.js';
import { benchSteps, CASES, type StepBench } from './bench-steps.js';

// Speed beside peers on the same machine in the same minutes: one child process a measurement, taken in turns, so that a
// noisy neighbour hits all. Ratios are ours over theirs: below 1 we are faster. Half an hour on two cores.
const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    /** Of the experiments, which take minutes. */
    'experiment-rounds': { type: 'string', default: '1' },
    /** Which parts: steps (or a step's key), start, pipeline, experiment, experiment-all. */
    only: { type: 'string', default: 'steps,start,pipeline,experiment,experiment-all' },
    /** An image folder of JPEGs. */
    photographs: { type: 'string' },
    /** A checkout of another version, built: both builds run the same commands in turns. */
    against: { type: 'string' },
    /** Without PyTorch, tfjs-node and one thread alone. */
    'no-peers': { type: 'boolean', default: false },
    /** Instead: each kernel of the steps in --only beside what arithmetic and memory allow. */
    roofline: { type: 'boolean', default: false },
    /** What is trained there, as in last:11. */
    trainable: { type: 'string', default: 'all' },
    /** Instead: what more threads would bring to the steps in --only, and what they wait for. */
    threads: { type: 'boolean', default: false },
  },
});
const parts = options.only.split(',');
const say = (line: string) => process.stderr.write(`${line}\n`);
const known = ['steps', 'start', 'pipeline', 'experiment', 'experiment-all', ...CASES.map(({ key }) => key)];
const unknown = parts.filter((part) => !known.includes(part));
if (unknown.length > 0) {
  say(`Expected some of ${known.join(', ')} for --only but received ${unknown.join(', ')}.`);
  process.exit(2);
}

if (options.roofline || options.threads) {
  const cases = CASES.filter(({ key }) => parts.includes('steps') || parts.includes(key));
  const { roofline, trainable } = options;
  console.log(await (roofline ? benchRoofline(cases, trainable, say) : benchThreads(cases, say)));
  process.exit();
}

const other = options.against && resolve(options.against);
const missing = other && missingPart(other);
if (missing !== undefined) {
  say(
    `Expected a built checkout for --against but ${other} has no ${missing}. Run npm ci && npm run build there.`,
  );
  process.exit(2);
}
const peers = {
  torch: await pyTorch('installed'),
  torchTuned: await pyTorch('tuned'),
  tfjsNode: tfjsNode(),
  oneThread,
  folded,
};
const asked = options['no-peers'] ? [] : Object.values(peers);
const absent = asked.flatMap(({ name, absent: why }) =>
  why === undefined ? [] : [`${name}: absent, ${why}`],
);
absent.forEach(say);
const here = asked.filter(({ absent: why }) => why === undefined);

const steps = new Map<string, StepBench>();
const against: AgainstRow[] = [];
for (const work of CASES) {
  if (!parts.includes('steps') && !parts.includes(work.key)) continue;
  steps.set(work.key, await benchSteps(work, [onecycle, ...here], Number(options.rounds), say));
  // The other build may know no batch norm in training mode.
  if (other !== undefined && work.batchNorm === 'fold')
    against.push(...(await benchAgainst(work, other, Number(options.rounds), say)));
}
const begun = <T>(part: string, run: () => Promise<T>): Promise<T> | null => {
  if (!parts.includes(part)) return null;
  say(part);
  return run();
};
const start = await begun('start', () => benchStart(other));
const pipeline = await begun('pipeline', () => benchPipeline(options.photographs));
const experimentRounds = Number(options['experiment-rounds']);
const sides = { torch: !options['no-peers'], other };
const experiment = await begun('experiment', () => benchExperiment('last:11', experimentRounds, sides));
const experimentAll = await begun('experiment-all', () => benchExperiment('all', experimentRounds, sides));
const experimentAbsent = experiment?.absent ?? experimentAll?.absent;
if (experimentAbsent) absent.push(`PyTorch's experiment: absent, ${experimentAbsent}`);

/** Ours over a peer's full step, by case. */
const over = ({ name, absent: why }: Peer): ByKey<Spread | null> | null =>
  why === undefined
    ? Object.fromEntries(CASES.map(({ key }) => [key, steps.get(key)?.ratios[name] ?? null]))
    : null;
const medians = (ratios: ByKey<Spread | null> | null) =>
  ratios && Object.fromEntries(Object.entries(ratios).map(([key, ratio]) => [key, ratio?.median ?? null]));
const overTorch = (sides: Experiment | null, mode: TorchMode) => sides?.ratios?.[mode].median ?? null;
const spreads = {
  torch: over(peers.torch),
  torchTuned: over(peers.torchTuned),
  tfjsNode: over(peers.tfjsNode),
  oneThread: over(peers.oneThread),
  folded: over(peers.folded),
};

const document: BenchDocument = {
  machine: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} cores, Node ${process.version}`,
  rounds: Number(options.rounds),
  rows: [...steps.values()].flatMap(({ rows }) => rows),
  ratios: {
    torch: medians(spreads.torch),
    torchTuned: medians(spreads.torchTuned),
    tfjsNode: medians(spreads.tfjsNode),
    oneThread: medians(spreads.oneThread),
    folded: medians(spreads.folded),
    experiment: overTorch(experiment, 'installed'),
    experimentTuned: overTorch(experiment, 'tuned'),
    experimentAll: overTorch(experimentAll, 'installed'),
    experimentAllTuned: overTorch(experimentAll, 'tuned'),
    against:
      other === undefined
        ? null
        : {
            ...Object.fromEntries(
              against.map(({ key, trainable, ratio }) => [`${key}, ${trainable}`, ratio.median]),
            ),
            help: start?.overOther?.median ?? null,
            experiment: experiment?.overOther?.median ?? null,
            experimentAll: experimentAll?.overOther?.median ?? null,
          },
  },
  spreads,
  against,
  peakMegabytes: Object.fromEntries([...steps].map(([key, { peaks }]) => [key, peaks])),
  start,
  pipeline,
  experiment,
  experimentAll,
  absent,
};
console.log(options.json ? JSON.stringify(document, null, 2) : benchReport(document));
