import { describe, expect, onTestFinished, test } from 'vitest';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfigFile } from '../../../src/config/check-settings.js';
import { UsageError } from '../../../src/errors.js';

async function configFile(content: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onecycle-config-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'my.json');
  await writeFile(path, content);
  return path;
}

test('options come through; prose for the reader is left out', async () => {
  const path = await configFile(
    '{"description": "d", "expected": "90%", "time": "1 min", "epochs": 3, "lr": {"fixed": 1}}',
  );
  expect(await readConfigFile(path)).toEqual({ epochs: 3, lr: { fixed: 1 } });
});

test('a byte order mark does no harm', async () => {
  expect(await readConfigFile(await configFile('\uFEFF{"epochs": 3}'))).toEqual({ epochs: 3 });
});

test('comments and a comma behind the last entry say nothing, but within a text', async () => {
  const path = await configFile(
    '// first\n{\r\n "epochs": 3, // "seed": 4,\n /* "seed": 5,\n */ "data": "a//b/*c*/\\",}", "decayAt": [0.5, /**/ ], // last\n}\n//',
  );
  expect(await readConfigFile(path)).toEqual({ epochs: 3, data: 'a//b/*c*/",}', decayAt: [0.5] });
});

describe("a run's own config.json", () => {
  const run = '"schemaVersion": 1, "policy": "1cycle", "epochs": 6, "earlyStop": null, "lr": 0.01';

  test('null is an option that is not set, and facts about the run are no options', async () => {
    const path = await configFile(`{${run}, "arm": "mine"}`);
    expect(await readConfigFile(path)).toEqual({ policy: '1cycle', epochs: 6, lr: 0.01, arm: 'mine' });
    const compared = await configFile(
      `{${run}, "arm": "1cycle@9", "pair": 0, "lrFrom": "runs/find-lr-seed0"}`,
    );
    expect(await readConfigFile(compared)).toMatchObject({ arm: '1cycle@9', pair: 0, lr: 0.01 });
    expect(await readConfigFile(compared)).not.toHaveProperty('lrFrom');
    const finder = await configFile(
      '{"command": "find-lr", "steps": 60, "trainingSteps": 160, "views": null}',
    );
    expect(await readConfigFile(finder)).toEqual({ steps: 60 });
  });

  test('an arm that is only the name of the policy is not set: another policy has another name', async () => {
    const path = await configFile(`{${run}, "arm": "1cycle"}`);
    expect(await readConfigFile(path)).toEqual({ policy: '1cycle', epochs: 6, lr: 0.01 });
  });

  test('that it was extended is told, for a new run is not', async () => {
    const notes: string[] = [];
    const path = await configFile(`{${run}, "replans": [{"step": 4, "fromEpochs": 2, "toEpochs": 6}]}`);
    expect(await readConfigFile(path, (text) => notes.push(text))).toMatchObject({ epochs: 6 });
    expect(notes).toEqual([
      `${path} is of a run that was extended on its way: here all its epochs are planned from the start.`,
    ]);
  });
});

describe('refused, with the path and what to do', () => {
  test.each([
    ['', /my\.json is not valid JSON: .*Correct it there\./],
    ['{"epochs": 3,,}', /my\.json is not valid JSON/],
    ['{"epochs": 3} /* never closed', /my\.json is not valid JSON/],
    // What is said about a place is said about the file's own.
    ['{ // one\n "epochs": 3 x }', /my\.json is not valid JSON: .* in line 2, column 14/],
    ['[1]', /Expected a JSON object with option names as keys in .*my\.json/],
    ['null', /Expected a JSON object/],
    ['"epochs"', /Expected a JSON object/],
    ['{"epoch": 3}', /Unknown key "epoch" in .*my\.json\. Did you mean "epochs"\?/],
    ['{"batch-size": 3}', /Did you mean "batchSize"\?/],
    [
      '{"epochs": "3"}',
      /Expected a whole number from 1 to 10000 for "epochs" in .*my\.json but received "3"/,
    ],
    ['{"config": "other.json"}', /cannot name another: remove "config"/],
    ['{"__proto__": {"epochs": 3}}', /The key "__proto__" in .*my\.json is not allowed/],
    ['{"lr": {"__proto__": 3}}', /The key "__proto__"/],
    ['{"constructor": 1}', /The key "constructor"/],
    ['{"lr": {"prototype": 1}}', /The key "prototype"/],
    [`{"description": "${'x'.repeat(1e6)}"}`, /my\.json \(it has \d+ bytes, and at most 1000000 are read\)/],
  ])('case %#', async (content, message) => {
    const path = await configFile(content);
    await expect(readConfigFile(path)).rejects.toThrow(message);
    await expect(readConfigFile(path)).rejects.toThrow(UsageError);
    expect(({} as { epochs?: number }).epochs).toBeUndefined();
  });

  test('a file that is not there, and a folder', async () => {
    await expect(readConfigFile('no/such.json')).rejects.toThrow(
      'Cannot read the config file no/such.json (ENOENT). Expected a JSON file; check the path.',
    );
    await expect(readConfigFile(tmpdir())).rejects.toThrow(/it is a folder, not a file/);
  });
});
