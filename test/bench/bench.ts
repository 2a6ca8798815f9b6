import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { benchExperiment } from './bench-experiment.js';
import { onecycle, pyTorch, tfjsNode, type Peer } from './bench-peers.js';
import { benchPipeline } from './bench-pipeline.js';
import { benchReport, type BenchDocument } from './bench-report.js';
import type { Spread } from './bench-spread.js';
import { benchStart } from './bench-start.js';
import { benchSteps, CASES, type StepBench } from './bench-steps.js';

// Speed beside peers on the same machine in the same minutes: one child process a measurement, taken in turns, so that a
// noisy neighbour hits all. Ratios are ours over theirs: below 1 we are faster. Under ten minutes on two cores.
const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    /** Which parts: steps (or a step's key), start, pipeline, experiment. */
    only: { type: 'string', default: 'steps,start,pipeline,experiment' },
    /** An image folder of JPEGs. */
    photographs: { type: 'string' },
  },
});
const parts = options.only.split(',');
const say = (line: string) => process.stderr.write(`${line}\n`);
const known = ['steps', 'start', 'pipeline', 'experiment', ...CASES.map(({ key }) => key)];
const unknown = parts.filter((part) => !known.includes(part));
if (unknown.length > 0) {
  say(`Expected some of ${known.join(', ')} for --only but received ${unknown.join(', ')}.`);
  process.exit(2);
}

const peers = [await pyTorch(), tfjsNode()];
const absent = peers.flatMap(({ name, absent: why }) =>
  why === undefined ? [] : [`${name}: absent, ${why}`],
);
absent.forEach(say);
const present: [Peer, ...Peer[]] = [onecycle, ...peers.filter(({ absent: why }) => why === undefined)];

const steps = new Map<string, StepBench>();
for (const work of CASES) {
  if (!parts.includes('steps') && !parts.includes(work.key)) continue;
  steps.set(work.key, await benchSteps(work, present, Number(options.rounds), say));
}
const begun = <T>(part: string, run: () => Promise<T>): Promise<T> | null => {
  if (!parts.includes(part)) return null;
  say(part);
  return run();
};
const start = await begun('start', benchStart);
const pipeline = await begun('pipeline', () => benchPipeline(options.photographs));
const experiment = await begun('experiment', benchExperiment);
if (experiment?.absent) absent.push(`experiment: absent, ${experiment.absent}`);

const spreads = (peer: Peer | undefined): Record<string, Spread | null> | null =>
  peer === undefined || peer.absent !== undefined
    ? null
    : Object.fromEntries(CASES.map(({ key }) => [key, steps.get(key)?.ratios[peer.name] ?? null]));
const medians = (peer: Record<string, Spread | null> | null) =>
  peer && Object.fromEntries(Object.entries(peer).map(([key, ratio]) => [key, ratio?.median ?? null]));
const [torch, native] = peers.map(spreads);

const document: BenchDocument = {
  machine: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} cores, Node ${process.version}`,
  rounds: Number(options.rounds),
  rows: [...steps.values()].flatMap(({ rows }) => rows),
  ratios: {
    torch: medians(torch ?? null),
    tfjsNode: medians(native ?? null),
    experiment: experiment?.ratio ?? null,
  },
  spreads: { torch: torch ?? null, tfjsNode: native ?? null },
  peakMegabytes: Object.fromEntries([...steps].map(([key, { peaks }]) => [key, peaks])),
  start,
  pipeline,
  experiment,
  absent,
};
console.log(options.json ? JSON.stringify(document, null, 2) : benchReport(document));
