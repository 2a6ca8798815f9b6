import { describe, expect, onTestFinished, test } from 'vitest';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readArms, requireKnownArms } from '../../../src/config/arms.js';
import { UsageError } from '../../../src/errors.js';

describe('one arm', () => {
  test.each([
    ['fixed', { policy: 'fixed' }, 0],
    ['fixed:cosine', { policy: 'fixed', decay: 'cosine' }, 0],
    ['fixed:plateau', { policy: 'fixed', decay: 'plateau' }, 0],
    ['fixed:none@7', { policy: 'fixed', decay: 'none' }, 7],
    ['1cycle', { policy: '1cycle' }, 0],
    ['1cycle@100', { policy: '1cycle' }, 100],
    ['1cycle:linear', { policy: '1cycle', anneal: 'linear' }, 0],
    ['1cycle:three-phase', { policy: '1cycle', threePhase: true }, 0],
    ['1cycle:bn-train', { policy: '1cycle', batchNorm: 'train' }, 0],
    ['fixed:cosine:bn-fold@5', { policy: 'fixed', decay: 'cosine', batchNorm: 'fold' }, 5],
    // The momentum of the fixed policy, kept constant.
    ['1cycle:no-momentum', { policy: '1cycle', momentumRange: [0.8, 0.8] }, 0],
  ])('%s', async (name, overrides, seedShift) => {
    expect(await readArms([name], 0.8)).toEqual([{ name, overrides, seedShift }]);
  });

  test('a config file, also with shifted seeds', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'onecycle-arms-test-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const path = join(folder, 'warm@home.json');
    await writeFile(path, '{"policy": "1cycle", "pctStart": 0.5}');
    const overrides = { policy: '1cycle', pctStart: 0.5 };
    expect(await readArms([path, `${path}@3`], 0.9)).toEqual([
      { name: path, overrides, seedShift: 0 },
      { name: `${path}@3`, overrides, seedShift: 3 },
    ]);
  });
});

describe('refused', () => {
  test.each([
    [
      ['cycle'],
      /Unknown policy "cycle" in --policies\. Expected fixed, .*1cycle:no-momentum or a config file ending in \.json; each but a file also with :bn-train or :bn-fold/,
    ],
    [['1cycle:bn'], /Unknown policy "1cycle:bn"/],
    [[':bn-train'], /Unknown policy ":bn-train"/],
    [['1cycle:bn-train:linear'], /Unknown policy "1cycle:bn-train:linear"/],
    [
      ['1cycle:bn-train', '1cycle:bn-train@0'],
      /would train the same runs.*1cycle:bn-train,1cycle:bn-train@100/,
    ],
    [['fixed', '1cycle:'], /Unknown policy "1cycle:"/],
    [['1cycle@'], /Unknown policy "1cycle@"/],
    [['1cycle@-1'], /Unknown policy "1cycle@-1"/],
    [['constructor'], /Unknown policy "constructor"/],
    [['missing.json'], /Cannot read the config file missing\.json/],
    [['1cycle', '1cycle'], /1cycle and 1cycle would train the same runs.*1cycle,1cycle@100/],
    [['fixed', '1cycle', ' fixed '], /fixed and fixed would train the same runs/],
    [['1cycle', '1cycle@0'], /1cycle and 1cycle@0 would train the same runs.*1cycle,1cycle@100/],
    [['fixed@5', 'fixed@05'], /fixed@5 and fixed@05/],
    [
      ['1cycle@9007199254740992'],
      /shift of the seeds from 0 to 9007199254740991 in --policies but received "1cycle@9007199254740992"/,
    ],
    [['1cycle@99999999999999999999999'], /shift of the seeds from 0/],
  ])('%j', async (policies, message) => {
    await expect(readArms(policies, 0.9)).rejects.toThrow(message);
    await expect(readArms(policies, 0.9)).rejects.toThrow(UsageError);
  });
});

test('a policy may be compared with itself under other seeds', async () => {
  const arms = await readArms(['1cycle', '1cycle@100'], 0.9);
  expect(arms.map(({ name, seedShift }) => [name, seedShift])).toEqual([
    ['1cycle', 0],
    ['1cycle@100', 100],
  ]);
});

describe('rates per arm', () => {
  test.each([
    [undefined, ['1cycle']],
    [0.1, ['1cycle']],
    ['auto', ['1cycle']],
    [{ fixed: 1, '1cycle': 2 }, ['fixed', '1cycle:linear']],
    // A policy that is not trained may be named: one file serves train and compare.
    [{ fixed: 1 }, ['1cycle']],
    [{ '1cycle@100': 1 }, ['1cycle', '1cycle@100']],
  ])('%j for %j', (lr, arms) => {
    expect(() => requireKnownArms(lr, arms)).not.toThrow();
  });

  test.each([
    [{ fixd: 1 }, ['fixed', '1cycle'], /a rate to "fixd", which is no arm\. Expected fixed, 1cycle, as in/],
    [{ '1cycle@100': 1 }, ['1cycle'], /"1cycle@100"/],
    [{ fixed: 1, '': 2 }, ['fixed'], /a rate to ""/],
    [undefined, ['fixed', 'none'], /No arm may be called "none".* another name with --arm\./],
  ])('%j for %j is refused', (lr, arms, message) => {
    expect(() => requireKnownArms(lr, arms)).toThrow(message);
    expect(() => requireKnownArms(lr, arms)).toThrow(UsageError);
  });
});
