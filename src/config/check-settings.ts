import { z } from 'zod';
import { readFile } from 'node:fs/promises';
import { messageOf, UsageError } from '../errors.js';
import { flagName, type GivenSettings, type OptionName, OPTIONS, type OptionSpec } from './options.js';

const rate = z.union([z.number().positive().finite(), z.literal('auto'), z.string().regex(/^from:.+/)]);

/** What a value must be, in words; the second half of «expected X for --flag». */
function expectation(spec: OptionSpec): string {
  switch (spec.type) {
    case 'flag':
      return 'true or false';
    case 'text':
      return 'a text';
    case 'integer':
      return spec.max === undefined
        ? `a whole number of at least ${spec.min}`
        : `a whole number from ${spec.min} to ${spec.max}`;
    case 'number': {
      const bounds = [
        spec.above === undefined ? '' : `above ${spec.above}`,
        spec.min === undefined ? '' : `of at least ${spec.min}`,
        spec.below === undefined ? '' : `below ${spec.below}`,
        spec.max === undefined ? '' : `of at most ${spec.max}`,
      ].filter(Boolean);
      return `a number ${bounds.join(' and ')}`;
    }
    case 'choice':
      return `one of ${spec.choices.join(', ')}`;
    case 'texts':
      return 'a list of names';
    case 'pair': {
      const bound =
        spec.below === undefined ? `of at least ${spec.min}` : `from ${spec.min} to below ${spec.below}`;
      return `two numbers ${bound}${spec.falling === true ? ', the larger first' : ''}`;
    }
    case 'shares':
      return 'shares of the budget between 0 and 1 in rising order, as in 1/3,2/3';
    case 'rate':
      return 'a rate above 0, auto, from:RUN, or one of these per arm as in fixed=1e-3,1cycle=5e-3';
    case 'trainable':
      return 'all, head or last:N with N of at least 1';
  }
}

function valueSchema(spec: OptionSpec): z.ZodType {
  switch (spec.type) {
    case 'flag':
      return z.boolean();
    case 'text':
      return z.string().min(1);
    case 'integer':
      return z
        .number()
        .int()
        .min(spec.min)
        .max(spec.max ?? Number.MAX_SAFE_INTEGER);
    case 'number': {
      let schema = z.number();
      if (spec.above !== undefined) schema = schema.gt(spec.above);
      if (spec.min !== undefined) schema = schema.gte(spec.min);
      if (spec.below !== undefined) schema = schema.lt(spec.below);
      if (spec.max !== undefined) schema = schema.lte(spec.max);
      return schema;
    }
    case 'choice':
      return z.enum(spec.choices);
    case 'texts':
      return z.array(z.string().min(1)).min(1);
    case 'pair': {
      const { min, below = Infinity, falling = false } = spec;
      const part = z
        .number()
        .min(min)
        .refine((value) => value < below);
      return z.tuple([part, part]).refine(([first, second]) => !falling || second <= first);
    }
    case 'shares':
      return z
        .array(z.number().gt(0).lt(1))
        .min(1)
        .refine((shares) => shares.every((share, i) => i === 0 || share > (shares[i - 1] ?? 0)));
    case 'rate':
      return z.union([rate, z.record(z.string(), rate)]);
    case 'trainable':
      return z.string().regex(/^(all|head|last:[1-9]\d*)$/);
  }
}

const NAMES = Object.keys(OPTIONS);

function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

/** The known option that a misspelt name most likely meant, or undefined where none is near. */
export function nearestOption(name: string): string | undefined {
  const distance = (a: string, b: string): number => {
    let row = Array.from({ length: b.length + 1 }, (_, j) => j);
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++) {
        const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
        next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
      }
      row = next;
    }
    return row[b.length] ?? Infinity;
  };
  const [best] = NAMES.map((known) => ({
    known,
    away: distance(name.toLowerCase(), known.toLowerCase()),
  })).sort((a, b) => a.away - b.away);
  return best !== undefined && best.away <= Math.max(2, name.length / 4) ? best.known : undefined;
}

/**
 * Checks settings from a file or from flags.
 *
 * @param where how the user would find them: a file's path, or undefined for flags
 * @throws UsageError naming the option, what was expected and what was received
 */
export function checkSettings(given: Readonly<Record<string, unknown>>, where?: string): GivenSettings {
  const place = where === undefined ? '' : ` in ${where}`;
  for (const [name, value] of Object.entries(given)) {
    if (!isOptionName(name)) {
      const nearest = nearestOption(name);
      const hint =
        nearest === undefined ? 'See onecycle train --help for the names.' : `Did you mean "${nearest}"?`;
      throw new UsageError(`Unknown key "${name}"${place}. ${hint}`);
    }
    const label = where === undefined ? flagName(name) : `"${name}"`;
    const spec: OptionSpec = OPTIONS[name];
    if (!valueSchema(spec).safeParse(value).success) {
      const received = typeof value === 'number' ? String(value) : JSON.stringify(value);
      throw new UsageError(`Expected ${expectation(spec)} for ${label}${place} but received ${received}.`);
    }
  }
  return given;
}

/** What a flag's text means, before checking; texts that are no number stay as they are for the error message. */
export function readFlag(name: string, text: string): unknown {
  if (!isOptionName(name)) return text;
  const spec: OptionSpec = OPTIONS[name];
  switch (spec.type) {
    case 'integer':
    case 'number':
      return numberOr(text);
    case 'texts':
      return text.split(',');
    case 'pair':
      return text.split(',').map(numberOr);
    case 'shares':
      return text.split(',').map(shareOr);
    case 'rate': {
      // The name of a run's folder may hold anything.
      if (!text.includes('=') || text.startsWith('from:')) return numberOr(text);
      return Object.fromEntries(text.split(',').map((part) => rateOfArm(part)));
    }
    default:
      return text;
  }
}

function rateOfArm(part: string): [string, unknown] {
  const at = part.lastIndexOf('=');
  return [part.slice(0, at), numberOr(part.slice(at + 1))];
}

function numberOr(text: string): number | string {
  return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
}

function shareOr(text: string): number | string {
  const [over, under, ...rest] = text.split('/').map(Number);
  return over === undefined || under === undefined || rest.length > 0 ? numberOr(text) : over / under;
}

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
