import { createHash } from 'node:crypto';
import { jsonText, type JsonValue } from './json.js';

/**
 * A name for what makes a run what it is: the SHA-256, in hex, of `parts` as JSON with sorted keys.
 *
 * Two runs have the same key where their parts are equal, in whatever order their keys were written; a
 * property that is undefined counts as absent. Throws RangeError for numbers that are not finite.
 */
export function runKey(parts: JsonValue): string {
  return createHash('sha256').update(canonicalJson(parts)).digest('hex');
}

/** JSON without spaces, keys in code-unit order (as RFC 8785, section 3.2.3, orders them). */
function canonicalJson(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return jsonText(value);
  if (isList(value)) return `[${value.map(canonicalJson).join(',')}]`;
  // Written out by hand: an object with sorted keys would still put "10" before "2" and both before "1a".
  const members = Object.keys(value)
    .sort()
    .flatMap((key) => {
      const entry = value[key];
      return entry === undefined ? [] : [`${JSON.stringify(key)}:${canonicalJson(entry)}`];
    });
  return `{${members.join(',')}}`;
}

// Array.isArray alone does not narrow a readonly array away from an object.
function isList(value: object): value is readonly JsonValue[] {
  return Array.isArray(value);
}
