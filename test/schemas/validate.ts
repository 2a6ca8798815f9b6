import Ajv from 'ajv';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SCHEMAS } from './generate.js';

/** What of a document is not as the published schema of this name has it; empty where all is well. */
export function schemaErrors(schema: string, document: unknown): string[] {
  const ajv = new Ajv({ allErrors: true });
  const validate = ajv.compile(
    JSON.parse(readFileSync(join(SCHEMAS, `${schema}.schema.json`), 'utf8')) as object,
  );
  if (validate(document) === true) return [];
  return (validate.errors ?? []).map(
    ({ dataPath, message, params }) => `${dataPath} ${message} ${JSON.stringify(params)}`,
  );
}
