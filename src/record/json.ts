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

/** Whether what JSON.parse returned is an object with keys, and neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
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
