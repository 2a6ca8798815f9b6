// Compares two of compare's JSON documents but for times, machine and the folders' parent; exit 1 where they differ.
//
//   npx tsx test/cluster/same-answer.ts EXPECTED.json EXPECTED_OUT RECEIVED.json RECEIVED_OUT
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';

const TIMES = new Set(['seconds', 'secondsToTarget', 'environment', 'jobs', 'sharedFeatures']);

const [expectedFile = '', expectedOut = '', receivedFile = '', receivedOut = ''] = process.argv.slice(2);

async function answer(file: string, out: string): Promise<unknown> {
  const text = await readFile(file, 'utf8');
  return JSON.parse(text.replaceAll(`${out}/`, ''), (key, value: unknown) =>
    TIMES.has(key) ? undefined : value,
  );
}

/** Where two documents part, as paths with both values. */
function differences(expected: unknown, received: unknown, path = ''): string[] {
  if (isDeepStrictEqual(expected, received)) return [];
  if (
    typeof expected !== 'object' ||
    typeof received !== 'object' ||
    expected === null ||
    received === null
  ) {
    return [`${path}: ${JSON.stringify(expected)} and ${JSON.stringify(received)}`];
  }
  const [before, after] = [Object.entries(expected), new Map(Object.entries(received))];
  const names = new Set([...before.map(([name]) => name), ...after.keys()]);
  return [...names].flatMap((name) =>
    differences(new Map(before).get(name), after.get(name), path === '' ? name : `${path}.${name}`),
  );
}

const found = differences(await answer(expectedFile, expectedOut), await answer(receivedFile, receivedOut));
if (found.length > 0) {
  console.error(
    `${receivedFile} tells something else than ${expectedFile}:\n${found.slice(0, 20).join('\n')}`,
  );
  process.exitCode = 1;
}
