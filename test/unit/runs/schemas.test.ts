import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeSchemas, SCHEMAS } from '../../schemas/generate.js';

test('the published schemas are those of the types: else npm run schemas writes them anew', async () => {
  const made = await makeSchemas();
  expect(readdirSync(SCHEMAS).sort()).toEqual([...made.keys()].sort());
  for (const [name, text] of made) expect(readFileSync(join(SCHEMAS, name), 'utf8'), name).toBe(text);
}, 60_000);
