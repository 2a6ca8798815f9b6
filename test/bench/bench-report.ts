import type { AgainstRow } from './bench-against.js';
import type { Experiment, ExperimentSide } from './bench-experiment.js';
import type { Pipeline } from './bench-pipeline.js';
import type { Spread } from './bench-spread.js';
import type { StartUp } from './bench-start.js';
import type { Row } from './bench-steps.js';

export type ByKey<T> = Readonly<Record<string, T>>;

/** What `npm run bench -- --json` prints. */
export interface BenchDocument {
  readonly machine: string;
  readonly rounds: number;
  readonly rows: readonly Row[];
  /** Ours over theirs, medians; null for a peer that is absent. */
  readonly ratios: {
    readonly torch: ByKey<number | null> | null;
    readonly torchTuned: ByKey<number | null> | null;
    readonly tfjsNode: ByKey<number | null> | null;
    readonly oneThread: ByKey<number | null> | null;
    /** Of training mode alone. */
    readonly folded: ByKey<number | null> | null;
    readonly experiment: number | null;
    readonly experimentTuned: number | null;
    /** The same with every weight trained. */
    readonly experimentAll: number | null;
    readonly experimentAllTuned: number | null;
    /** This build over another one, by row; null where none is named. */
    readonly against: ByKey<number | null> | null;
  };
  readonly spreads: {
    readonly torch: ByKey<Spread | null> | null;
    readonly torchTuned: ByKey<Spread | null> | null;
    readonly tfjsNode: ByKey<Spread | null> | null;
    readonly oneThread: ByKey<Spread | null> | null;
    readonly folded: ByKey<Spread | null> | null;
  };
  /** This build and another one on the same commands; empty where none is named. */
  readonly against: readonly AgainstRow[];
  /** By case and engine. */
  readonly peakMegabytes: ByKey<ByKey<number>>;
  readonly start: StartUp | null;
  readonly pipeline: Pipeline | null;
  readonly experiment: Experiment | null;
  readonly experimentAll: Experiment | null;
  /** Peers that are not here, and why. */
  readonly absent: readonly string[];
}

/** The document as Markdown. */
export function benchReport(document: BenchDocument): string {
  const { machine, rounds, rows, spreads, peakMegabytes, start, pipeline, absent } = document;
  const parts = [`${machine}; median [lowest, highest] of ${rounds} rounds`];
  if (rows.length > 0) {
    parts.push(
      table(
        ['network', 'size', 'batch', 'engine', 'ms per image'],
        rows.map(({ network, size, batch, engine, msPerImage }) => [
          network,
          size,
          batch,
          engine,
          show(msPerImage),
        ]),
      ),
      table(
        [
          'full step, ours over theirs',
          'PyTorch',
          'PyTorch, tuned',
          'tfjs-node',
          'one thread of ours',
          'our folded step',
          'peak memory, MB',
        ],
        Object.entries(peakMegabytes).map(([key, peaks]) => [
          key,
          ratio(spreads.torch?.[key]),
          ratio(spreads.torchTuned?.[key]),
          ratio(spreads.tfjsNode?.[key]),
          ratio(spreads.oneThread?.[key]),
          ratio(spreads.folded?.[key]),
          Object.entries(peaks)
            .map(([name, megabytes]) => `${name} ${megabytes.toFixed(0)}`)
            .join('; '),
        ]),
      ),
    );
  }
  if (document.against.length > 0) parts.push(againstReport(document.against));
  if (start !== null) {
    const { overOther } = start;
    if (overOther !== null) parts.push(`--help, this build over the other: ${show(overOther)}.`);
    parts.push(
      `--help: ${show(start.helpMs)} ms, bare node ${show(start.bareNodeMs)} ms, ratio ${show(start.ratio)}. ` +
        `From the start of train to its first step: ${start.firstStepSeconds.toFixed(2)} s.`,
    );
  }
  if (pipeline !== null) parts.push(...pipelineReport(pipeline));
  const { experiment, experimentAll } = document;
  if (experiment !== null) {
    parts.push(experimentReport('last:11', experiment));
  }
  if (experimentAll !== null) {
    parts.push(experimentReport('all', experimentAll));
  }
  return [...parts, ...absent].join('\n\n');
}

function againstReport(rows: readonly AgainstRow[]): string {
  return table(
    ['onecycle train', 'trained', 'ms per image', 'the other build', 'ours over theirs', 'peak MB'],
    rows.map(({ key, trainable, msPerImage, ratio: over, peakMegabytes }) => [
      key,
      trainable,
      show(msPerImage.ours),
      show(msPerImage.theirs),
      show(over),
      `${peakMegabytes.ours.toFixed(0)}, ${peakMegabytes.theirs.toFixed(0)}`,
    ]),
  );
}

function pipelineReport({ decoding, waiting }: Pipeline): string[] {
  return [
    table(
      ['images decoded per second', 'onecycle', 'bare sharp', 'ours over theirs'],
      decoding.map(({ images, perSecond, sharpPerSecond, ratio: over }) => [
        images,
        show(perSecond, 0),
        show(sharpPerSecond, 0),
        show(over),
      ]),
    ),
    ...waiting.map(
      ({ trainable, share }) =>
        `Waiting for data after the first epoch, ${trainable} trained: ${(100 * share.median).toFixed(1)}% of the time.`,
    ),
  ];
}

function experimentReport(trained: string, experiment: Experiment): string {
  const { rounds, ours, other, torch, ratios, overOther } = experiment;
  const row = (name: string, { seconds, accuracies, peakMegabytes }: ExperimentSide) => [
    name,
    show(seconds, 1),
    ...['fixed', '1cycle'].map((policy) => (accuracies[policy] ?? []).map((a) => a.toFixed(3)).join(' ')),
    peakMegabytes.toFixed(0),
  ];
  const sides = table(
    [
      `find-lr && compare, ${trained} trained`,
      `seconds, ${rounds} round(s)`,
      'accuracy, fixed',
      'accuracy, 1cycle',
      'peak MB',
    ],
    [
      row('onecycle', ours),
      ...(other === null ? [] : [row('onecycle, the other build', other)]),
      ...(torch === null ? [] : [row('PyTorch', torch.installed), row('PyTorch, tuned', torch.tuned)]),
    ],
  );
  const overs = [
    ...(overOther === null ? [] : [`the other build: ${show(overOther)}`]),
    ...(ratios === null
      ? []
      : [`PyTorch: ${show(ratios.installed)}`, `PyTorch, tuned: ${show(ratios.tuned)}`]),
  ];
  return overs.length === 0 ? sides : `${sides}\n\nThis build over ${overs.join('; over ')}.`;
}

export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function show({ median, low, high }: Spread, digits = 2): string {
  return `${median.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
}

function ratio(over: Spread | null | undefined): string {
  return over ? show(over) : '–';
}
