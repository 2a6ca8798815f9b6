import { CommanderError } from 'commander';
import { readFileSync } from 'node:fs';
import { messageOf, RunError, UsageError } from '../errors.js';
import { printableJson } from '../printable.js';
import { type ErrorDocument, SCHEMA_VERSION } from '../runs/documents.js';
import { limitReached } from '../system.js';
import { owesJson, say } from './terminal.js';

/** Ends the program with a given exit code after everything has been said already, which a message repeats for --json. */
export class Exit extends Error {
  constructor(
    readonly code: number,
    message = `exit ${code}`,
  ) {
    super(message);
  }
}

/** 0 done, 1 the run failed, 2 wrong usage, config, data or weights; signals bring their own code. */
export function exitCodeOf(thrown: unknown): number {
  const error = limitReached(thrown) ?? thrown;
  if (error instanceof Exit) return error.code;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof UsageError ? 2 : 1;
}

/** Tells the user what went wrong, on stderr; a stack only for a bug or with --debug. */
export function reportError(thrown: unknown, debug: boolean): void {
  const error = limitReached(thrown) ?? thrown;
  if (error instanceof Exit) return;
  if (error instanceof CommanderError) {
    // commander has printed its own message.
    const hint = hintOn(error.code, process.argv.slice(2));
    if (hint !== undefined) say(hint);
    return;
  }
  if (!(error instanceof Error)) {
    say(`onecycle: ${String(error)}`);
    return;
  }
  const expected = error instanceof UsageError || error instanceof RunError;
  say(`onecycle: ${error.message}`);
  if (debug || !expected) say(error.stack ?? '');
  if (!expected) say('This is a bug in onecycle: please report it with the lines above.');
}

/**
 * Prints an error as a JSON document where --json promised one and nothing else was printed; the lines of predict are JSON each.
 * @param commands the names of all commands
 */
export function printErrorDocument(thrown: unknown, commands: readonly string[]): void {
  const exitCode = exitCodeOf(thrown);
  if (exitCode === 0 || !owesJson()) return;
  const error = limitReached(thrown) ?? thrown;
  const words = process.argv.slice(2);
  const command = words.find((word) => commands.includes(word)) ?? null;
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const document: ErrorDocument = {
    schemaVersion: SCHEMA_VERSION,
    command,
    status: 'error',
    onecycle: version,
    seconds: performance.now() / 1000,
    error: {
      kind: kindOf(error),
      // commander begins its messages with the word.
      message: messageOf(error).replace(/^error: /u, ''),
      hint: error instanceof CommanderError ? (hintOn(error.code, words) ?? null) : null,
      exitCode,
    },
  };
  process.stdout.write(`${printableJson(document, command === 'predict' ? 0 : 2)}\n`);
}

function kindOf(error: unknown): ErrorDocument['error']['kind'] {
  if (error instanceof Exit) return error.code > 128 ? 'interrupted' : 'run';
  if (error instanceof UsageError || error instanceof CommanderError) return 'usage';
  return error instanceof RunError ? 'run' : 'bug';
}

const EXPERIMENTS = ['train', 'find-lr', 'compare'];

/** What was meant by words that commander refuses, as a sentence; undefined where that cannot be told. */
function hintOn(code: string, words: readonly string[]): string | undefined {
  const [first = '', ...rest] = words;
  // Text that was copied out of a page, where -- had become a dash.
  const dash = words.find((word) => /^[\u2010-\u2015\u2212]/u.test(word));
  if (dash !== undefined) {
    return `${dash} begins with a dash of printed text: write --${dash.replace(/^[\u2010-\u2015\u2212]+/u, '')}`;
  }
  const command = rest.find((word) => EXPERIMENTS.includes(word));
  if (code === 'commander.unknownOption' && first.startsWith('-') && command !== undefined) {
    return `Options follow the command: onecycle ${command} ${words.filter((word) => word !== command).join(' ')}`;
  }
  const folder = rest.find((word, i) => !word.startsWith('-') && !rest[i - 1]?.startsWith('-'));
  if (code === 'commander.excessArguments' && EXPERIMENTS.includes(first) && folder !== undefined) {
    return `A data folder is given with its option: onecycle ${first} --data ${folder}`;
  }
  return undefined;
}
