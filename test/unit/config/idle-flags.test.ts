import { expect, test } from 'vitest';
import { readArms } from '../../../src/config/arms.js';
import type { GivenSettings } from '../../../src/config/check-settings.js';
import { flagsWithoutEffect, readDefaults, withGiven } from '../../../src/config/settings.js';

const { settings: defaults } = readDefaults();

function inTraining(spoken: GivenSettings): string[] {
  return flagsWithoutEffect(spoken, [{ settings: withGiven(defaults, spoken), overrides: {} }]);
}

test.each<[GivenSettings, string[]]>([
  [{ policy: 'fixed', pctStart: 0.2 }, ['--pct-start has no effect here: only --policy 1cycle uses it.']],
  [{ policy: '1cycle', pctStart: 0.2 }, []],
  [{ policy: '1cycle', decay: 'cosine' }, ['--decay has no effect here: only --policy fixed uses it.']],
  [{ policy: '1cycle', threePhase: false }, []],
  [
    { policy: 'fixed', decay: 'cosine', decayFactor: 0.5, patience: 3 },
    [
      '--decay-factor has no effect here: only --policy fixed with --decay step, exponential or plateau uses it.',
      '--patience has no effect here: only --policy fixed with --decay plateau uses it.',
    ],
  ],
  [{ policy: 'fixed', decay: 'plateau', decayFactor: 0.5, patience: 3 }, []],
  [
    { policy: 'fixed', decay: 'step', decayAt: [0.5], decayEvery: 2 },
    [
      '--decay-at has no effect here: only --policy fixed with --decay step and without --decay-every uses it.',
    ],
  ],
  [
    { policy: '1cycle', onStop: 'anneal' },
    ['--on-stop has no effect here: only --policy 1cycle with --early-stop uses it.'],
  ],
  [{ policy: '1cycle', onStop: 'anneal', earlyStop: 2 }, []],
  [{ trainable: 'last:3', views: 4 }, []],
  [
    { trainable: 'all', views: 4 },
    [
      '--views has no effect here: views are kept only where a part of the network is frozen and images are augmented.',
    ],
  ],
])('%j', (spoken, expected) => {
  expect(inTraining(spoken)).toEqual(expected);
});

test('in a comparison a flag has an effect where one arm uses it and has none of its own', async () => {
  const said = async (spoken: GivenSettings, policies: readonly string[]) => {
    const settings = withGiven(defaults, spoken);
    const arms = await readArms(policies, settings.momentum);
    return flagsWithoutEffect(
      spoken,
      arms.map(({ overrides }) => ({ settings: withGiven(settings, overrides), overrides })),
    );
  };
  expect(await said({ decay: 'cosine', pctStart: 0.2 }, ['fixed', '1cycle'])).toEqual([]);
  // The range test of their rate is made with it.
  expect(await said({ momentum: 0.8 }, ['1cycle', '1cycle:linear'])).toEqual([]);
  expect(await said({ decay: 'cosine' }, ['fixed:step', 'fixed', '1cycle'])).toEqual([]);
  expect(await said({ decay: 'cosine' }, ['fixed:step', '1cycle'])).toEqual([
    '--decay has no effect here: only --policy fixed uses it, where an arm has none of its own.',
  ]);
});
