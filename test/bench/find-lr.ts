import { parseArgs } from 'node:util';
import type { Trainable } from '../../src/config/check-settings.js';
import { planSchedule } from '../../src/config/plan-schedule.js';
import { resolveRun } from '../../src/config/run-config.js';
import { readDefaults, type Settings } from '../../src/config/settings.js';
import { startBackend } from '../../src/engine/backends/choose.js';
import { finderConfig, findLearningRate } from '../../src/find-lr/find-lr.js';
import { twoDigits } from '../../src/report/text/numbers.js';
import { pairedDifference } from '../../src/stats/difference.js';
import { summarize } from '../../src/stats/intervals.js';
import { evaluate } from '../../src/workbench/evaluate.js';
import { epochBatches, evaluationBatches, openRunEngine } from '../../src/workbench/run-engine.js';
import { trainSteps } from '../../src/workbench/steps.js';
import { stepsPerEpoch, type Workbench } from '../../src/workbench/bench.js';
import { openWorkbench } from '../../src/workbench/workbench.js';

// Is the recommended rate a good one? Trains with it and with a grid of rates over four decades, on the same
// seeds, and compares final accuracies. The grid's best is chosen by the very numbers it is judged by, which
// flatters it. Bundled data: 50 runs of about 6 s on one core. Ants and bees, which are not bundled, with their folder:
//   npm run bench:find-lr -- --data DIR --trainable head --rates 1e-4,1e-3,3e-3,1e-2,3e-2,1e-1,3e-1,1
//   npm run bench:find-lr -- --batch-norm train --rates 1e-4,3e-4,1e-3,2e-3,5e-3,1e-2,3e-2,1e-1
//   npm run bench:find-lr -- --data DIR --image-size 128 --rates 1e-5,5e-5,1e-4,2e-4,5e-4,1e-3,3e-3,1e-1
const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    weights: { type: 'string' },
    'image-size': { type: 'string' },
    trainable: { type: 'string' },
    'batch-norm': { type: 'string' },
    policy: { type: 'string', default: '1cycle' },
    seeds: { type: 'string', default: '5' },
    rates: { type: 'string', default: '1e-5,1e-4,2e-4,3e-4,5e-4,1e-3,2e-3,5e-3,1e-1' },
  },
});

const { settings: defaults } = readDefaults();
const settings: Settings = {
  ...defaults,
  policy: options.policy === 'fixed' ? 'fixed' : '1cycle',
  ...(options.data === undefined ? {} : { data: options.data }),
  ...(options.weights === undefined ? {} : { weights: options.weights }),
  ...(options['image-size'] === undefined ? {} : { imageSize: Number(options['image-size']) }),
  ...(options.trainable === undefined ? {} : { trainable: options.trainable as Trainable }),
  ...(options['batch-norm'] === 'train' ? { batchNorm: 'train' } : {}),
};
const seeds = Array.from({ length: Number(options.seeds) }, (_, i) => i);
const quiet = { emit: () => undefined, signal: new AbortController().signal, workers: 1 };

await startBackend('wasm');
const bench = await openWorkbench(settings, quiet);
try {
  const { recommended, reason } = await findLearningRate(bench, finderConfig(bench, settings), quiet);
  console.log(
    `${settings.data}, ${settings.trainable} at ${bench.imageSize}, ${settings.policy}: ${reason}\n`,
  );
  if (recommended === null) throw new Error('no rate was recommended');
  const own = settings.policy === 'fixed' ? recommended.fixedLearningRate : recommended.learningRate;
  const grid = options.rates.split(',').map(Number);
  const accuracies = new Map<number, number[]>();
  for (const rate of [own, ...grid]) {
    const finals: number[] = [];
    for (const seed of seeds) finals.push(await finalAccuracy(bench, rate, seed));
    accuracies.set(rate, finals);
    process.stderr.write(`${twoDigits(rate)}: ${finals.map((accuracy) => accuracy.toFixed(4)).join(' ')}\n`);
  }
  console.log(table(accuracies, own));
} finally {
  bench.close();
}

/** Validation accuracy after the last epoch; a run whose loss is no number any more counts as wrong throughout. */
async function finalAccuracy(bench: Workbench, lr: number, seed: number): Promise<number> {
  const frozen = bench.features !== undefined;
  const config = resolveRun({ ...settings, seed }, { imageSize: bench.imageSize, lr, arm: '', frozen });
  const schedule = planSchedule(config, stepsPerEpoch(bench, config));
  const engine = await openRunEngine(bench, config, 1);
  try {
    let firstStep = 0;
    for (let epoch = 1; epoch <= config.epochs; epoch++) {
      const position = { epoch, firstStep, scheduleState: schedule.initialState };
      const batches = epochBatches(bench, engine, config, epoch, 0);
      for await (const { loss } of trainSteps(engine, batches, schedule, position)) {
        if (!Number.isFinite(loss)) return 0;
        firstStep++;
      }
    }
    return (await evaluate(engine, evaluationBatches(bench, engine))).accuracy;
  } finally {
    await engine.dispose();
  }
}

function table(accuracies: ReadonlyMap<number, readonly number[]>, own: number): string {
  const percent = (share: number) => (100 * share).toFixed(1);
  const finals = (rate: number) => accuracies.get(rate) ?? [];
  const grid = [...accuracies.keys()].filter((rate) => rate !== own);
  const best = grid.reduce((a, b) => (summarize(finals(b)).mean > summarize(finals(a)).mean ? b : a));
  const rows = [...accuracies.keys()]
    .sort((a, b) => a - b)
    .map((rate) => {
      const { mean, sd } = summarize(finals(rate));
      const against = pairedDifference(finals(rate), finals(best));
      const name = rate === own ? `**${twoDigits(rate)}** (recommended)` : twoDigits(rate);
      // Where all seeds differ alike, pairs bound nothing.
      const interval =
        against.low === null || against.high === null
          ? ''
          : ` [${percent(against.low)}, ${percent(against.high)}]`;
      const difference = rate === best ? 'the best of the grid' : `${percent(against.mean)}${interval}`;
      return `| ${name} | ${percent(mean)} ± ${percent(sd ?? NaN)} | ${difference} |`;
    });
  return [
    `| rate | final accuracy, %, mean ± sd of ${seeds.length} seeds | points against the best of the grid, paired, 95% |`,
    '|---|---|---|',
    ...rows,
  ].join('\n');
}
