import { CommanderError } from 'commander';
import { RunError, UsageError } from '../errors.js';

/** Ends the program with a given exit code after everything has been said already. */
export class Exit extends Error {
  constructor(readonly code: number) {
    super(`exit ${code}`);
  }
}

/** 0 done, 1 the run failed, 2 wrong usage, config, data or weights; signals bring their own code. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Exit) return error.code;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof UsageError ? 2 : 1;
}

/** Tells the user what went wrong, on stderr; a stack only for a bug or with --debug. */
export function reportError(error: unknown, debug: boolean): void {
  // commander has already printed its own messages.
  if (error instanceof Exit || error instanceof CommanderError) return;
  if (!(error instanceof Error)) {
    console.error(`onecycle: ${String(error)}`);
    return;
  }
  const expected = error instanceof UsageError || error instanceof RunError;
  console.error(`onecycle: ${error.message}`);
  if (debug || !expected) console.error(error.stack);
  if (!expected) console.error('This is a bug in onecycle: please report it with the lines above.');
}
