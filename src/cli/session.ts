import { checkSettings, type GivenSettings, readConfigFile, readFlag } from '../config/check-settings.js';
import { type RateTable, readDefaults, type Settings } from '../config/settings.js';
import type { BackendInfo } from '../engine/backends/backend-info.js';
import { startBackend } from '../engine/backends/choose.js';
import type { ReportLayout } from '../report/text/layout.js';
import { Exit } from './errors.js';
import { openProgress, type ProgressView } from './progress.js';
import { layout } from './terminal.js';

/** Flags as commander gathers them: texts, or booleans for flags without a value. */
export type RawFlags = Readonly<Record<string, string | boolean>>;

/** What every command works with. */
export interface Session {
  readonly settings: Settings;
  readonly rates: RateTable;
  /** Only what a flag or the config file says. */
  readonly given: GivenSettings;
  readonly progress: ProgressView;
  /** Aborted at the first signal. */
  readonly signal: AbortSignal;
  /** Starts the backend once it is needed: --backend, or else `otherwise`. */
  readonly startBackend: (otherwise?: string) => Promise<BackendInfo>;
  /** Shows something on stderr above the progress. */
  readonly tell: (report: (layout: ReportLayout) => string) => void;
  /** Prints the result: the document with --json, else the report for this terminal. */
  readonly print: (document: object, report: (layout: ReportLayout) => string) => void;
}

/**
 * Runs one command with options, progress and signals; exits with the code of the signal that came, if
 * one came.
 * @param words `ending`: what the command does after the first signal; `nothing`: what is said where it had done nothing yet
 */
export async function inSession(
  flags: RawFlags,
  work: (session: Session) => Promise<void>,
  {
    ending = 'finishing the step and saving',
    nothing = 'Interrupted before anything was trained: there is no run to go on with.',
  } = {},
): Promise<void> {
  const { settings, rates, given, notes } = await readSettings(flags);
  const progress = openProgress(settings.quiet, process.stderr);
  for (const text of notes) progress.say(text);
  const stop = listenForSignals((name) => {
    // A second signal may end the program while the bars hide the cursor.
    progress.stop();
    progress.say(`${name}: ${ending}; once more to quit at once`);
  });
  try {
    await work({
      settings,
      rates,
      given,
      progress,
      signal: stop.signal,
      startBackend: (otherwise) =>
        startBackend(given.backend ?? otherwise ?? settings.backend, {
          debug: settings.debug,
          note: (text) => {
            if (!settings.quiet) progress.emit({ type: 'note', text });
          },
        }),
      tell: (report) => progress.say(report(layout(settings, process.stderr))),
      print: (document, report) => {
        progress.stop();
        process.stdout.write(
          settings.json
            ? `${JSON.stringify(document, null, 2)}\n`
            : `${report(layout(settings, process.stdout))}\n`,
        );
      },
    });
  } catch (error) {
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
    progress.say(nothing);
  } finally {
    progress.stop();
    stop.release();
  }
  const code = stop.exitCode();
  if (code !== undefined) throw new Exit(code);
}

/** Options as they apply, and what the user actually said: defaults < file < flags. */
interface GivenOptions {
  readonly settings: Settings;
  readonly rates: RateTable;
  /** Only what a flag or the config file says. */
  readonly given: GivenSettings;
  /** What the user should know about the config file. */
  readonly notes: readonly string[];
}

/** Resolves a command's options. Throws UsageError naming the option or key that is wrong. */
async function readSettings(flags: RawFlags): Promise<GivenOptions> {
  const { settings, rates } = readDefaults();
  const given = checkSettings(
    Object.fromEntries(
      Object.entries(flags).map(([name, value]) => [
        name,
        typeof value === 'string' ? readFlag(name, value) : value,
      ]),
    ),
  );
  const notes: string[] = [];
  const note = (text: string) => notes.push(text);
  const file = given.config === undefined ? {} : await readConfigFile(given.config, note);
  // --no-color is commander's `color: false`; its unset default must not win over a file.
  const { color, ...spoken } = given;
  const shown = color === false ? { color: false } : {};
  // The pair of a recorded run is that of its seed, and of no other.
  const reseeded = spoken.seed !== undefined && spoken.seed !== file.seed;
  const own = Object.entries(file).filter(([name]) => !(reseeded && name === 'pair'));
  const said: GivenSettings = { ...Object.fromEntries(own), ...spoken, ...shown };
  return { settings: { ...settings, ...said }, rates, given: said, notes };
}

/** Exit codes that shells expect of a program ended by a signal: 128 plus its number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** The user's wish to stop, as an AbortSignal that experiments look at between two steps. */
interface StopWish {
  readonly signal: AbortSignal;
  /** The exit code of the signal that came, or undefined. */
  readonly exitCode: () => number | undefined;
  /** Stops listening. */
  readonly release: () => void;
}

/**
 * The first SIGINT, SIGTERM or SIGHUP lets the current step finish and everything be saved. The second ends the process as if
 * nobody listened: the system does it, so that it works however busy the program is.
 * @param onFirst tells the user what is going on
 */
export function listenForSignals(onFirst: (name: string) => void): StopWish {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const listeners = Object.entries(EXIT_CODES).map(([name, code]) => {
    const listener = () => {
      // Two signals that were heard in the same turn.
      if (exitCode !== undefined) process.exit(code);
      exitCode = code;
      onFirst(name);
      controller.abort();
      setImmediate(release);
    };
    process.on(name, listener);
    return { name, listener };
  });
  const release = () => listeners.forEach(({ name, listener }) => process.off(name, listener));
  return { signal: controller.signal, exitCode: () => exitCode, release };
}
