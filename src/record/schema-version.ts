import { UsageError } from '../errors/errors.js';
import type { JsonObject } from './json.js';

/** The version of the record: of the names in a run's folder and of the JSON documents. */
export const SCHEMA_VERSION = 1;

/** Throws UsageError where `document`, read from `path`, says no version or one that is newer than this program. */
export function checkSchemaVersion(document: JsonObject, path: string): void {
  const { schemaVersion } = document;
  if (typeof schemaVersion !== 'number' || !Number.isInteger(schemaVersion) || schemaVersion < 1) {
    throw new UsageError(
      `Expected a whole number from 1 as schemaVersion in ${path} but received ${JSON.stringify(schemaVersion)}. Is this the folder of a run?`,
    );
  }
  if (schemaVersion > SCHEMA_VERSION) {
    throw new UsageError(
      `${path} was written by a newer onecycle (schemaVersion ${schemaVersion}; this one reads up to ${SCHEMA_VERSION}). Update onecycle to read it.`,
    );
  }
}
