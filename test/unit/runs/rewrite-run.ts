import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointRecord } from '../../../src/runs/check-run.js';
import { checkpointPath, decodeCheckpoint, encodeCheckpoint } from '../../../src/runs/checkpoint.js';
import type { JsonObject } from '../../../src/runs/json.js';

type Document = Record<string, ReturnType<typeof JSON.parse>>;
type Part = 'config' | 'environment' | 'dataset';

/** Makes a run into one that was recorded otherwise, in all files that say so: with another setting, in another environment. */
export function rewriteRun(
  dir: string,
  changes: { readonly [Name in Part]?: (document: Document) => void },
): void {
  const documents = Object.fromEntries(
    (['config', 'environment', 'dataset'] as const).map((name) => {
      const document = read(join(dir, `${name}.json`));
      changes[name]?.(document);
      write(join(dir, `${name}.json`), document);
      return [name, document];
    }),
  ) as Record<Part, Document>;
  const path = join(dir, 'result.json');
  if (existsSync(path)) {
    const result = read(path);
    for (const [name, change] of Object.entries(changes))
      if (result[name] !== undefined) change(result[name]);
    write(path, result);
  }
  rewriteCheckpoints(dir, (header) =>
    header['record'] === undefined ? header : { ...header, record: checkpointRecord(documents) },
  );
}

/** Leaves of a run's checkpoints what a version wrote that did not record there which run it was. */
export function asEarlierVersion(dir: string): void {
  rewriteCheckpoints(dir, ({ record: _record, offsets, ...header }) => {
    const { steps, epochs } = offsets as { steps: number; epochs: number };
    return { ...header, offsets: { steps, epochs } };
  });
}

function rewriteCheckpoints(dir: string, change: (header: JsonObject) => JsonObject): void {
  for (const generation of ['last', 'previous', 'best'] as const) {
    const path = checkpointPath(dir, generation);
    if (!existsSync(path)) continue;
    const { header, tensors } = decodeCheckpoint(readFileSync(path));
    writeFileSync(path, encodeCheckpoint({ header: change(header as JsonObject), tensors }));
  }
}

function read(path: string): Document {
  return JSON.parse(readFileSync(path, 'utf8')) as Document;
}

function write(path: string, document: Document): void {
  writeFileSync(path, `${JSON.stringify(document, null, 2)}\n`);
}
