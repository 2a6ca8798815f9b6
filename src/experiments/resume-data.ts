import { UsageError } from '../errors/errors.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../record/json.js';
import { datasetDocument } from './dataset-document.js';
import type { Workbench } from './workbench.js';

/** Files that a message names; there may be thousands. */
const NAMED = 5;

/**
 * Throws UsageError where the images or the starting weights are others than those of the recorded run, naming them.
 * @param recorded the run's dataset.json
 * @param weights how the user names the weights
 */
export function refuseChangedData(
  dir: string,
  recorded: JsonObject,
  bench: Workbench,
  weights: string,
): void {
  const now: JsonValue = JSON.parse(JSON.stringify(datasetDocument(bench)));
  if (!isJsonObject(now)) throw new Error('expected an object');
  const advice = 'Put back what the run was started with, or start a new run without --resume.';
  const changes = changesOf(filesOf(recorded), filesOf(now));
  if (changes.length > 0) {
    const more = changes.length > NAMED ? `, and ${changes.length - NAMED} more` : '';
    throw new UsageError(
      `${dir} was trained on other images than there are now: ${changes.slice(0, NAMED).join(', ')}${more}. ${advice}`,
    );
  }
  for (const name of ['classes', 'files']) {
    if (JSON.stringify(recorded[name]) !== JSON.stringify(now[name])) {
      throw new UsageError(`${dir} was trained on the same images in another order of ${name}. ${advice}`);
    }
  }
  if (recorded['weightsSha256'] !== now['weightsSha256']) {
    throw new UsageError(
      `${dir} was started from other weights than those of ${weights} now: expected SHA-256 ${String(recorded['weightsSha256'])} but received ${bench.weights.sha256}. ${advice}`,
    );
  }
}

/** Every file with what it was: its part of the data, its class and its hash. */
function filesOf(dataset: JsonObject): Map<string, string> {
  const { files } = dataset;
  const parts = isJsonObject(files) ? Object.entries(files) : [];
  return new Map(
    parts.flatMap(([part, list]) =>
      (Array.isArray(list) ? list : []).map((file: JsonValue): [string, string] => {
        const { path, ...rest } = isJsonObject(file) ? file : {};
        return [String(path), JSON.stringify([part, rest])];
      }),
    ),
  );
}

function changesOf(before: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): string[] {
  const gone = [...before].flatMap(([path, what]) => {
    const found = now.get(path);
    if (found === undefined) return [`${path} is missing or cannot be read`];
    return found === what ? [] : [`${path} has changed`];
  });
  const added = [...now.keys()].filter((path) => !before.has(path)).map((path) => `${path} is new`);
  return [...gone, ...added];
}
