/** Exit codes that shells expect of a program ended by a signal: 128 plus its number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** The user's wish to stop, as an AbortSignal that experiments look at between two steps. */
export interface StopWish {
  readonly signal: AbortSignal;
  /** The exit code of the signal that came, or undefined. */
  readonly exitCode: () => number | undefined;
  /** Stops listening. */
  readonly release: () => void;
}

/**
 * The first SIGINT, SIGTERM or SIGHUP lets the current step finish and everything be saved; the second
 * ends the process at once.
 * @param onFirst tells the user what is going on
 * @param onSecond puts the terminal in order
 */
export function listenForSignals({
  onFirst,
  onSecond,
}: {
  readonly onFirst: (name: string) => void;
  readonly onSecond: () => void;
}): StopWish {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const listeners = Object.entries(EXIT_CODES).map(([name, code]) => {
    const listener = () => {
      if (exitCode !== undefined) {
        onSecond();
        process.exit(code);
      }
      exitCode = code;
      onFirst(name);
      controller.abort();
    };
    process.on(name, listener);
    return { name, listener };
  });
  return {
    signal: controller.signal,
    exitCode: () => exitCode,
    release: () => listeners.forEach(({ name, listener }) => process.off(name, listener)),
  };
}
