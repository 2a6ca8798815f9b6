import { createHash } from 'node:crypto';

/** Whatever a JSON document can hold. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

/** A JSON document whose top is an object. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/**
 * Turns plain data into JSON text; properties that are undefined are left out.
 *
 * Throws RangeError for NaN and infinities, which JSON.stringify would turn into null without a word, and
 * TypeError for anything else that would not come back equal: dates, maps, typed arrays, holes, functions.
 * A number that may be missing is to be given as null. The sign of -0 is lost.
 */
export function jsonText(value: unknown, indent?: number): string {
  refuseWhatJsonLoses(value, '');
  return JSON.stringify(value, undefined, indent);
}

/** A whole JSON file's text. Throws RangeError for numbers that are not finite. */
export function documentText(value: object): string {
  return `${jsonText(value, 2)}\n`;
}

/** Whether what JSON.parse returned is an object with keys, and neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value is a whole number from 0 that is told exactly. */
export function isCount(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** A document as it will be read again: without properties that are undefined. */
export function asJson(value: object): JsonObject {
  const plain: JsonValue = JSON.parse(JSON.stringify(value));
  if (!isJsonObject(plain)) throw new TypeError('expected an object');
  return plain;
}

function refuseWhatJsonLoses(value: unknown, path: string): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return;
  const place = path === '' ? 'the top' : path;
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return;
    throw new RangeError(`Expected a finite number or null at ${place} of a record but received ${value}.`);
  }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) refuseWhatJsonLoses(value[i], `${path}[${i}]`);
    return;
  }
  if (typeof value !== 'object' || !isPlain(value)) {
    throw new TypeError(`Expected plain JSON data at ${place} of a record but received ${nameOf(value)}.`);
  }
  for (const [key, entry] of Object.entries(value)) {
    if (entry !== undefined) refuseWhatJsonLoses(entry, path === '' ? key : `${path}.${key}`);
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function nameOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? value.constructor.name : typeof value;
}

/**
 * A name for what makes a run what it is: the SHA-256, in hex, of `parts` as JSON with sorted keys.
 *
 * Two runs have the same key where their parts are equal, in whatever order their keys were written; a
 * property that is undefined counts as absent. Throws RangeError for numbers that are not finite.
 */
export function runKey(parts: JsonValue): string {
  return createHash('sha256').update(canonicalJson(parts)).digest('hex');
}

/** Whether two documents say the same, in whatever order their keys were written. */
export function sameJson(a: JsonValue, b: JsonValue): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

/** JSON without spaces, keys in code-unit order (as RFC 8785, section 3.2.3, orders them). A data set's list may be of 100,000 files. */
function canonicalJson(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return jsonText(value);
  let text = '';
  if (isList(value)) {
    for (const entry of value) text += `,${canonicalJson(entry)}`;
    return `[${text.slice(1)}]`;
  }
  // Written out by hand: an object with sorted keys would still put "10" before "2" and both before "1a".
  for (const key of Object.keys(value).sort()) {
    const entry = value[key];
    if (entry !== undefined) text += `,${JSON.stringify(key)}:${canonicalJson(entry)}`;
  }
  return `{${text.slice(1)}}`;
}

// Array.isArray alone does not narrow a readonly array away from an object.
function isList(value: object): value is readonly JsonValue[] {
  return Array.isArray(value);
}
