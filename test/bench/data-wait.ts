import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { readDefaults, type Settings } from '../../src/config/settings.js';
import { startBackend } from '../../src/engine/backends/choose.js';
import type { Engine } from '../../src/engine/engine.js';
import { epochBatches, openRunEngine } from '../../src/workbench/run-engine.js';
import { openWorkbench } from '../../src/workbench/workbench.js';

// Share of an epoch in which the trainer waits for data: pixels read, crops and flips drawn, stored features gathered.
// Computing features is the network's work and counts as such. Prints one JSON line.
const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    trainable: { type: 'string', default: 'last:11' },
    epochs: { type: 'string', default: '2' },
  },
});

await startBackend('wasm');
const defaults = readDefaults().settings;
const settings: Settings = {
  ...defaults,
  data: values.data ?? defaults.data,
  trainable: values.trainable as Settings['trainable'],
};
// Nothing that an earlier round has kept.
process.env['ONECYCLE_CACHE_SIZE'] = '0';
const bench = await openWorkbench(settings, { emit: () => undefined, signal: new AbortController().signal });
const config = { ...settings, views: bench.features === undefined ? null : settings.views };
const engine = await openRunEngine(bench, config, availableParallelism());
let computing = 0;
const features: Engine['features'] = async (input) => {
  const begin = performance.now();
  const result = await engine.features(input);
  computing += performance.now() - begin;
  return result;
};
const watched: Engine = Object.assign(Object.create(engine) as Engine, { features });
const shares: number[] = [];
for (let epoch = 1; epoch <= Number(values.epochs) + 1; epoch++) {
  computing = 0;
  let waiting = 0;
  const begin = performance.now();
  let asked = begin;
  for await (const { input, labels } of epochBatches(bench, watched, config, epoch, 0)) {
    waiting += performance.now() - asked;
    await engine.step(input, labels, { learningRate: 1e-4, momentum: 0.9 });
    asked = performance.now();
  }
  if (epoch > 1) shares.push((waiting - computing) / (performance.now() - begin));
}
await engine.dispose();
bench.close();
console.log(JSON.stringify({ trainable: values.trainable, images: bench.images.train.length, shares }));
