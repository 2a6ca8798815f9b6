import { readFile } from 'node:fs/promises';
import { UsageError } from '../errors/errors.js';
import { messageOf } from '../errors/message-of.js';
import type { GivenSettings } from './options.js';
import { checkSettings } from './schema.js';

/** Keys that describe an experiment to its reader and set nothing. */
const PROSE = new Set(['description', 'expected', 'time', 'defaultLr']);
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);
const MAX_BYTES = 1_000_000;

/** Reads a named experiment: JSON with the long options' names in camelCase. Throws UsageError. */
export async function readConfigFile(path: string): Promise<GivenSettings> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      `Cannot read the config file ${path} (${error.code ?? error.message}). Expected a JSON file; check the path.`,
    );
  });
  if (text.length > MAX_BYTES) throw new UsageError(`${path} is larger than 1 MB: that is no config file.`);
  let parsed: unknown;
  try {
    // Some editors put a byte order mark in front, which is no JSON.
    parsed = JSON.parse(text.replace(/^\uFEFF/, ''), (key, value: unknown) => {
      if (FORBIDDEN.has(key)) throw new UsageError(`The key "${key}" in ${path} is not allowed. Remove it.`);
      return value;
    });
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${path} is not valid JSON: ${messageOf(error)}. Correct it there.`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new UsageError(`Expected a JSON object with option names as keys in ${path}.`);
  }
  const options = Object.fromEntries(Object.entries(parsed).filter(([key]) => !PROSE.has(key)));
  if ('config' in options)
    throw new UsageError(`A config file cannot name another: remove "config" from ${path}.`);
  return checkSettings(options, path);
}
