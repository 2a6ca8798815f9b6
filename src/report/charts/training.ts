import type { ComparedArm, EpochRecord, Metric, StepRecord } from '../../runs/documents.js';
import type { Colour } from '../text/layout.js';
import type { ChartSeries, ChartSpec } from './chart.js';
import { heldFinite } from './resample.js';

/** The records of an arm's runs, seed by seed. */
export interface ArmCurves {
  readonly policy: string;
  readonly runs: readonly {
    readonly seed: number;
    readonly epochs: readonly EpochRecord[];
    readonly steps: readonly StepRecord[];
  }[];
}

/** The colours of the policies themselves, in every comparison, and those that other arms take turns in. */
const POLICY_COLOURS: ReadonlyMap<string, Colour> = new Map([
  ['fixed', 'cyan'],
  ['1cycle', 'magenta'],
]);
const OTHER_COLOURS = ['green', 'yellow', 'blue', 'red'] as const;

/** The colour of each arm: a policy's own whatever it is compared with, and of the others the next that is free. */
export function armColours(names: readonly string[]): Colour[] {
  let others = 0;
  return names.map(
    (name) => POLICY_COLOURS.get(name) ?? OTHER_COLOURS[others++ % OTHER_COLOURS.length] ?? 'green',
  );
}

/** What the arms are compared by and both losses, epoch by epoch. */
export function epochCharts(
  arms: readonly ArmCurves[],
  metric: Metric = 'accuracy',
): Readonly<Record<'accuracy' | 'loss' | 'trainLoss', ChartSpec>> {
  const colours = armColours(arms.map(({ policy }) => policy));
  const seeds = Math.max(0, ...arms.map(({ runs }) => runs.length));
  const chart = (what: string, value: (epoch: EpochRecord) => number): ChartSpec => ({
    title: seeds > 1 ? `${what}, mean of the seeds` : what,
    x: { label: 'epoch', scale: 'linear' },
    rows: 12,
    series: arms.map((arm, i) => ({ ...overSeeds(arm, value), ...coloured(colours[i]) })),
    bandName: 'lowest to highest seed',
  });
  return {
    accuracy:
      metric === 'accuracy'
        ? chart('validation accuracy', ({ validAccuracy }) => validAccuracy)
        : chart('balanced validation accuracy', ({ balancedAccuracy }) => balancedAccuracy ?? NaN),
    loss: chart('validation loss', ({ validLoss }) => validLoss),
    trainLoss: chart('training loss', ({ trainLoss }) => trainLoss),
  };
}

function coloured(colour: Colour | undefined): Pick<ChartSeries, 'colour'> {
  return colour === undefined ? {} : { colour };
}

/**
 * An arm's curve: the mean over its seeds as long as all of them train, since those that stop early are not like the others, and,
 * from two seeds on, a band from the lowest to the highest.
 */
export function overSeeds({ policy, runs }: ArmCurves, value: (epoch: EpochRecord) => number): ChartSeries {
  const byEpoch = new Map<number, number[]>();
  for (const record of runs.flatMap(({ epochs }) => epochs)) {
    const number = heldFinite(value(record));
    if (Number.isNaN(number)) continue;
    const seen = byEpoch.get(record.epoch);
    if (seen === undefined) byEpoch.set(record.epoch, [number]);
    else seen.push(number);
  }
  const epochs = [...byEpoch].sort(([a], [b]) => a - b);
  const mean = (seeds: readonly number[]) => seeds.reduce((sum, seed) => sum + seed, 0) / seeds.length;
  return {
    name: policy,
    points: epochs
      .filter(([, seeds]) => seeds.length === runs.length)
      .map(([x, seeds]) => ({ x, y: mean(seeds) })),
    ...(runs.length < 2
      ? {}
      : {
          band: epochs.map(([x, seeds]) => ({ x, low: Math.min(...seeds), high: Math.max(...seeds) })),
          strands: runs.map((run) => run.epochs.map((record) => ({ x: record.epoch, y: value(record) }))),
        }),
  };
}

/** What the arms are compared by, over their learning rates; null where none was trained at several. */
export function rateChart(arms: readonly ComparedArm[], metric: Metric = 'accuracy'): ChartSpec | null {
  if (arms.every(({ rates }) => rates.length < 2)) return null;
  const colours = armColours(arms.map(({ policy }) => policy));
  return {
    title: `${metric === 'accuracy' ? 'final accuracy' : 'balanced accuracy'} by learning rate`,
    x: { label: 'learning rate', scale: 'log' },
    rows: 10,
    series: arms.map(({ policy, rates }, i) => ({
      name: policy,
      ...coloured(colours[i]),
      points: rates.flatMap(({ learningRate, finalAccuracy, balancedAccuracy }) => {
        const { mean } = metric === 'accuracy' ? finalAccuracy : balancedAccuracy;
        return learningRate === null || mean === null ? [] : [{ x: learningRate, y: mean }];
      }),
    })),
  };
}

/** Steps of a run, trained or planned, under the name that the legend gives it. */
export interface NamedSteps {
  readonly name: string;
  readonly steps: readonly Pick<StepRecord, 'step' | 'learningRate' | 'momentum'>[];
}

/** The learning rate and the momentum that the optimizer held at each step. */
export function stepCharts(runs: readonly NamedSteps[]): { learningRate: ChartSpec; momentum: ChartSpec } {
  const colours = armColours(runs.map(({ name }) => name));
  const chart = (title: string, value: (step: NamedSteps['steps'][number]) => number): ChartSpec => ({
    title,
    x: { label: 'step', scale: 'linear' },
    rows: 7,
    series: runs.map(({ name, steps }, i) => {
      const points = steps.map((step) => ({ x: step.step, y: value(step) }));
      return { name, points, held: mostlyHeld(points.map(({ y }) => y)), ...coloured(colours[i]) };
    }),
  });
  return {
    learningRate: chart('learning rate', ({ learningRate }) => learningRate),
    momentum: chart('momentum', ({ momentum }) => momentum),
  };
}

/** Whether values stay as they are at most steps: those that are annealed move at each. */
function mostlyHeld(values: readonly number[]): boolean {
  return values.filter((value, i) => i > 0 && value !== values[i - 1]).length * 4 <= values.length;
}

/** The schedule is the same for every seed of an arm: one run shows it. */
export function armSteps(arms: readonly ArmCurves[]): NamedSteps[] {
  return arms.map(({ policy, runs }) => ({ name: policy, steps: runs[0]?.steps ?? [] }));
}
