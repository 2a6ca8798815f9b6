import { homedir } from 'node:os';
import { join } from 'node:path';
import { messageOf, UsageError } from '../errors.js';
import { FileRefusal, parseJson, readWholeFile } from '../files.js';
import { flagName, nearest, type OptionName, OPTIONS, type OptionSpec } from './options.js';

type KindName = OptionSpec['type'];
type SpecOf<Name extends KindName> = Extract<OptionSpec, { type: Name }>;

/** A rate as the user may state it: a number, `auto`, `from:RUN`, or one of these for each arm. */
export type RateSetting = string | number | Readonly<Record<string, string | number>>;

/** `all`, `head` or `last:N`. */
export type Trainable = 'all' | 'head' | `last:${number}`;

/** What the values of a kind of option are. */
interface Values {
  flag: boolean;
  text: string;
  path: string;
  integer: number;
  number: number;
  choice: string;
  texts: readonly string[];
  pair: readonly [number, number];
  shares: readonly number[];
  rate: RateSetting;
  trainable: Trainable;
}

/** Everything about one kind of option: what a flag's text means, what is allowed, and how that is said. */
interface Kind<Name extends KindName> {
  /** The flag's text as a value; what is no value stays as it is, for the error message. */
  read(text: string): unknown;
  /** The value as it is taken; undefined where it is not allowed. */
  check(value: unknown, spec: SpecOf<Name>): Values[Name] | undefined;
  /** The second half of «expected X for --flag». */
  expected(spec: SpecOf<Name>): string;
}

/** A kind of option, whatever its values are. */
interface AnyKind {
  check(value: unknown, spec: OptionSpec): unknown;
  expected(spec: OptionSpec): string;
}

const KINDS: { readonly [Name in KindName]: Kind<Name> } = {
  flag: {
    read: asIs,
    check: (value) => (typeof value === 'boolean' ? value : undefined),
    expected: () => 'true or false',
  },
  text: {
    read: asIs,
    check: (value) => (isText(value) ? value : undefined),
    expected: () => 'a text without control characters',
  },
  path: {
    read: asIs,
    check: (value) => (isPath(value) ? expandHome(value) : undefined),
    expected: () => 'a path (a text without NUL characters)',
  },
  integer: {
    read: numberOr,
    check: (value, { min, max = Infinity }) =>
      isNumber(value) && Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined,
    expected: ({ min, max }) =>
      max === undefined ? `a whole number of at least ${min}` : `a whole number from ${min} to ${max}`,
  },
  number: {
    read: numberOr,
    check: (value, { above = -Infinity, min = -Infinity, below = Infinity, max = Infinity }) =>
      isNumber(value) && value > above && value >= min && value < below && value <= max ? value : undefined,
    expected: ({ above, min, below, max }) => {
      const bounds = { above, 'of at least': min, below, 'of at most': max };
      const stated = Object.entries(bounds).filter(([, bound]) => bound !== undefined);
      return `a number ${stated.map(([words, bound]) => `${words} ${bound}`).join(' and ')}`;
    },
  },
  choice: {
    read: asIs,
    check: (value, { choices }) => choices.find((choice) => choice === value),
    expected: ({ choices }) => `one of ${choices.join(', ')}`,
  },
  texts: {
    read: listOf(asIs),
    check: (value) => (isFilled(value) && value.every(isText) ? value : undefined),
    expected: () => 'a list of names',
  },
  pair: {
    read: listOf(numberOr),
    check(value, { min, below = Infinity, falling = false }) {
      const [first, second, ...more]: unknown[] = Array.isArray(value) ? value : [];
      if (!isNumber(first) || !isNumber(second) || more.length > 0) return undefined;
      const allowed = [first, second].every((part) => part >= min && part < below);
      return allowed && (!falling || second <= first) ? [first, second] : undefined;
    },
    expected: ({ min, below, falling = false }) =>
      `two numbers ${below === undefined ? `of at least ${min}` : `from ${min} to below ${below}`}${falling ? ', the larger first' : ''}`,
  },
  shares: {
    read: listOf(shareOr),
    check(value) {
      if (!isFilled(value) || !value.every(isNumber)) return undefined;
      const allowed = value.every((share, i) => share > (value[i - 1] ?? 0) && share < 1);
      return allowed ? value : undefined;
    },
    expected: () =>
      'shares of the budget between 0 and 1 in rising order, as in 1/3,2/3 (in a file: [0.333, 0.667])',
  },
  rate: {
    // The name of a run's folder may hold anything.
    read: (text) =>
      text.includes('=') && !text.startsWith('from:')
        ? Object.fromEntries(text.split(',').map(rateOfArm))
        : numberOr(text),
    check(value) {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return armRate(value);
      const rates = Object.entries(value).flatMap(([arm, stated]): [string, string | number][] => {
        const rate = armRate(stated);
        return rate === undefined ? [] : [[arm, rate]];
      });
      return rates.length === Object.keys(value).length ? Object.fromEntries(rates) : undefined;
    },
    expected: () =>
      'a rate above 0, auto, from:RUN, or one of these per arm as in fixed=1e-3,1cycle=5e-3 (in a file: { "fixed": 1e-3, "1cycle": 5e-3 })',
  },
  trainable: {
    read: asIs,
    check: (value) => (isTrainable(value) ? value : undefined),
    expected: () => 'all, head or last:N with N of at least 1',
  },
};

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** A name: of an arm, a policy. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+$/u.test(value);
}

/** No file system knows a NUL in a name. */
function isPath(value: unknown): value is string {
  return typeof value === 'string' && /^[^\0]+$/.test(value);
}

function isFilled(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length > 0;
}

function isTrainable(value: unknown): value is Trainable {
  return typeof value === 'string' && /^(all|head|last:[1-9]\d*)$/.test(value);
}

function armRate(value: unknown): string | number | undefined {
  if (value === 'auto') return value;
  if (isNumber(value)) return value > 0 ? value : undefined;
  const run =
    typeof value === 'string' && value.startsWith('from:') ? value.slice('from:'.length) : undefined;
  return isPath(run) ? `from:${expandHome(run)}` : undefined;
}

type ValueOf<Spec extends OptionSpec> = Spec extends { choices: readonly (infer Choice)[] }
  ? Choice
  : Values[Spec['type']];

/** Options as given, by a file or by flags. */
export type GivenSettings = { readonly [Name in OptionName]?: ValueOf<(typeof OPTIONS)[Name]> };

function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

/**
 * Checks settings from a file or from flags, and gives them back with `~/` in paths expanded.
 *
 * @param where how the user would find them: a file's path, or undefined for flags
 * @param typed the flags as they were typed, for the error message: a number may have been rounded
 * @throws UsageError naming the option, what was expected and what was received
 */
export function checkSettings(
  given: Readonly<Record<string, unknown>>,
  where?: string,
  typed: Readonly<Record<string, unknown>> = {},
): GivenSettings {
  const place = where === undefined ? '' : ` in ${where}`;
  const check = ([name, value]: [string, unknown]): [string, unknown] => {
    if (!isOptionName(name)) {
      const meant = nearest(name, Object.keys(OPTIONS));
      const hint =
        meant === undefined ? 'See onecycle train --help for the names.' : `Did you mean "${meant}"?`;
      throw new UsageError(`Unknown key "${name}"${place}. ${hint}`);
    }
    const spec: OptionSpec = OPTIONS[name];
    const kind: AnyKind = KINDS[spec.type];
    const taken = kind.check(value, spec);
    if (taken !== undefined) return [name, taken];
    const label = where === undefined ? flagName(name) : `"${name}"`;
    const told = typed[name] ?? value;
    const received = typeof value === 'number' ? String(told) : JSON.stringify(told);
    throw new UsageError(
      `Expected ${kind.expected(spec)} for ${label}${place} but received ${received}.${otherwise(name, value)}`,
    );
  };
  return Object.fromEntries(Object.entries(given).map(check));
}

/** How a number is written that people often write otherwise, as a sentence; empty where that is not it. */
function otherwise(name: OptionName, value: unknown): string {
  if (typeof value !== 'string') return '';
  const percent = /^\s*(\d+(?:\.\d+)?)\s*%$/.exec(value);
  if (percent !== null) return ` Write it as a share: ${Number(percent[1]) / 100}.`;
  if (name === 'seeds' && /^\d+(?:\s*[-,.]+\s*\d+)+$/.test(value))
    return ' It is how many: --seed says the first.';
  if (/^-?\d+,\d+$/.test(value)) return ` Write it with a point: ${value.replace(',', '.')}.`;
  return '';
}

/** What a flag's text means, before checking. */
export function readFlag(name: string, text: string): unknown {
  return isOptionName(name) ? KINDS[OPTIONS[name].type].read(text) : text;
}

function asIs(text: string): string {
  return text;
}

function listOf(read: (text: string) => unknown): (text: string) => unknown[] {
  return (text) => text.split(',').map((part) => read(part));
}

function numberOr(text: string): number | string {
  return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
}

function shareOr(text: string): number | string {
  const [over, under, ...rest] = text.split('/').map(Number);
  return over === undefined || under === undefined || rest.length > 0 ? numberOr(text) : over / under;
}

function rateOfArm(part: string): [string, unknown] {
  const at = part.lastIndexOf('=');
  return [part.slice(0, at), numberOr(part.slice(at + 1))];
}

/** A path as a shell would hand it over: `~/` at its start is the user's home folder. */
export function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}

/** Keys that set nothing: prose for a reader, and what a run's own config.json says about the run beside its settings. */
const NO_OPTIONS = new Set([
  ...['description', 'expected', 'time', 'defaultLr'],
  ...['schemaVersion', 'command', 'trainingSteps', 'replans', 'lrFrom', 'lrSource', 'lrFactor'],
]);
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);
const MAX_BYTES = 1_000_000;

/** A parser's message with line and column, as editors count them, for the position that it names. */
function withLine(message: string, text: string): string {
  const { position } = /at position (?<position>\d+)/u.exec(message)?.groups ?? {};
  if (position === undefined) return message;
  const before = text.slice(0, Number(position)).split('\n');
  const column = (before.at(-1)?.length ?? 0) + 1;
  return message.replace(/ at position \d+.*$/u, ` in line ${before.length}, column ${column}`);
}

/** The first key in a file that would reach a prototype. */
function forbiddenKey(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const found = FORBIDDEN.has(key) ? key : forbiddenKey(inner);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Reads settings from a named experiment, from the config.json of a recorded run, or from what `init` wrote: JSON, comments
 * and all, with the long options' names in camelCase, where null is an option that is not set.
 * @param note told what of the file is left out that the user may want to know of
 * @throws UsageError
 */
export async function readConfigFile(
  file: string,
  note: (text: string) => void = () => undefined,
): Promise<GivenSettings> {
  const path = expandHome(file);
  const bytes = await readWholeFile(path, MAX_BYTES).catch((error: NodeJS.ErrnoException) => {
    const why = error instanceof FileRefusal ? error.message : (error.code ?? error.message);
    const advice = error.code === 'EACCES' ? 'Make it readable.' : 'Expected a JSON file; check the path.';
    throw new UsageError(`Cannot read the config file ${path} (${why}). ${advice}`);
  });
  const text = bytes.toString('utf8');
  let parsed: unknown;
  try {
    // Some editors put a byte order mark in front, which is no JSON.
    parsed = parseJson(withoutComments(text.replace(/^\uFEFF/, '')));
  } catch (error) {
    throw new UsageError(`${path} is not valid JSON: ${withLine(messageOf(error), text)}. Correct it there.`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new UsageError(`Expected a JSON object with option names as keys in ${path}.`);
  }
  const key = forbiddenKey(parsed);
  if (key !== undefined) throw new UsageError(`The key "${key}" in ${path} is not allowed. Remove it.`);
  if ('config' in parsed)
    throw new UsageError(`A config file cannot name another: remove "config" from ${path}.`);
  if ('replans' in parsed) {
    note(`${path} is of a run that was extended on its way: here all its epochs are planned from the start.`);
  }
  const { arm, ...others } = parsed as Record<string, unknown>;
  // A run records the name of its policy where it was given no other: not a name to keep under another --policy.
  const named = arm === others['policy'] ? others : parsed;
  const stated = Object.entries(named).filter(([key, value]) => value !== null && !NO_OPTIONS.has(key));
  return checkSettings(Object.fromEntries(stated), path);
}

/** Blanks out comments and the comma behind the last entry, so that places in error messages stay what they are. */
function withoutComments(text: string): string {
  const blanked = (found: string) => (found.startsWith('"') ? found : found.replace(/[^\r\n]/g, ' '));
  return text
    .replace(/"(?:\\.|[^"\\\n])*"|\/\/[^\n]*|\/\*[^]*?\*\//g, blanked)
    .replace(/"(?:\\.|[^"\\\n])*"|,(?=\s*[}\]])/g, blanked);
}
