import { CommanderError } from 'commander';
import { RunError, UsageError } from '../errors.js';
import { limitReached } from '../system.js';
import { say } from './terminal.js';

/** Ends the program with a given exit code after everything has been said already. */
export class Exit extends Error {
  constructor(readonly code: number) {
    super(`exit ${code}`);
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

/** What was meant by words that commander refuses, as a sentence; undefined where that cannot be told. */
function hintOn(code: string, words: readonly string[]): string | undefined {
  const [first = '', ...rest] = words;
  // Text that was copied out of a page, where -- had become a dash.
  const dash = words.find((word) => /^[\u2010-\u2015\u2212]/u.test(word));
  if (dash !== undefined) {
    return `${dash} begins with a dash of printed text: write --${dash.replace(/^[\u2010-\u2015\u2212]+/u, '')}`;
  }
  const command = rest.find((word) => ['train', 'find-lr', 'compare'].includes(word));
  if (code === 'commander.unknownOption' && first.startsWith('-') && command !== undefined) {
    return `Options follow the command: onecycle ${command} ${words.filter((word) => word !== command).join(' ')}`;
  }
  const folder = rest.find((word, i) => !word.startsWith('-') && !rest[i - 1]?.startsWith('-'));
  if (code === 'commander.excessArguments' && folder !== undefined) {
    return `A data folder is given with its option: onecycle ${first} --data ${folder}`;
  }
  return undefined;
}
