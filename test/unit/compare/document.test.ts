import { expect, test } from 'vitest';
import { compareRecorded } from '../../../src/compare/outcome.js';
import { compareDocument } from '../../../src/compare/document.js';
import { readDefaults } from '../../../src/config/settings.js';
import { freshFolder } from '../runs/fresh-folder.js';
import { ENVIRONMENT, makeRun } from './recorded-runs.js';

const { settings } = readDefaults();
const told = { target: undefined, seconds: 1, trainedHere: undefined };

test('what the arms share, what each has of its own, and which pairs there are', async () => {
  const out = freshFolder();
  const outcome = await compareRecorded(
    [
      await makeRun(out, { seed: 2 }),
      await makeRun(out, { seed: 3 }),
      await makeRun(out, {
        arm: '1cycle',
        seed: 12,
        config: { pair: 2, lr: 0.02, lrFrom: 'runs/find-lr-seed2' },
      }),
      await makeRun(out, {
        arm: '1cycle',
        seed: 13,
        config: { pair: 3, lr: 0.02, lrFrom: 'runs/find-lr-seed2' },
      }),
    ],
    settings,
  );
  const { config, status, environment } = compareDocument(outcome, { ...told, target: 0.5 });
  expect(status).toBe('completed');
  expect(config).toEqual({
    ...{ policies: ['fixed', '1cycle'], seed: 2, seeds: 2, target: 0.5, metric: 'accuracy' },
    ...{ epochs: 2, batchSize: 2, lr: { fixed: 0.01, '1cycle': 0.02 } },
    perArm: {
      fixed: { policy: 'fixed', lr: 0.01, lrFrom: null },
      '1cycle': { policy: '1cycle', lr: 0.02, lrFrom: 'runs/find-lr-seed2' },
    },
  });
  expect(environment).toEqual(ENVIRONMENT);
  const here = { ...ENVIRONMENT, cores: 64 };
  expect(compareDocument(outcome, { ...told, trainedHere: here }).environment).toBe(here);
});

test('runs side by side are those of any part of a run; the environment is the newest', async () => {
  const out = freshFolder();
  const part = { ...ENVIRONMENT, jobs: 4 };
  const environment = {
    history: [
      { ...part, fromStep: 0 },
      { ...ENVIRONMENT, fromStep: 3 },
    ],
  };
  const outcome = await compareRecorded(
    [await makeRun(out, { environment, config: { views: 8 } }), await makeRun(out, { arm: '1cycle' })],
    settings,
  );
  const document = compareDocument(outcome, told);
  expect(document).toMatchObject({ jobs: 4, sharedFeatures: true });
  expect(document.environment).toEqual(ENVIRONMENT);
  const alone = await compareRecorded([await makeRun(freshFolder())], settings);
  expect(compareDocument(alone, told)).toMatchObject({ jobs: 1, sharedFeatures: false });
});
