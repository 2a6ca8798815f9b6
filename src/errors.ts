/**
 * Something the user gave is wrong: an option, a file, the data or the weights. Exit code 2.
 * The message says what, where, what was expected and what to do.
 */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}

/** Another process is writing in a folder that was asked for. Exit code 2, like every UsageError. */
export class InUseError extends UsageError {
  override readonly name = 'InUseError';
}

/** A path that an option names is not there. Exit code 2, like every UsageError. */
export class MissingPathError extends UsageError {
  constructor(
    message: string,
    /** The option's name in configuration files. */
    readonly option: 'data' | 'labels' | 'weights' | 'lr',
  ) {
    super(message);
  }
}

/** A run that was started rightly and could not be finished: diverged, no space, backend died. Exit code 1. */
export class RunError extends Error {
  override readonly name = 'RunError';
}

/** The message of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
