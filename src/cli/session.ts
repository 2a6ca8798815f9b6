import { startBackend, type BackendInfo } from '../backend/choose.js';
import type { RateTable, Settings } from '../config/default-settings.js';
import type { GivenSettings } from '../config/options.js';
import type { ReportLayout } from '../report/train-report.js';
import { Exit } from './errors.js';
import type { RawFlags } from './raw-flags.js';
import { openProgress, type ProgressView } from './progress.js';
import { readSettings } from './read-settings.js';
import { listenForSignals } from './signals.js';

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

const DEFAULT_WIDTH = 80;

/**
 * Runs one command with options, progress and signals; exits with the code of the signal that came, if
 * one came.
 */
export async function inSession(flags: RawFlags, work: (session: Session) => Promise<void>): Promise<void> {
  const { settings, rates, given } = await readSettings(flags);
  const progress = openProgress(settings.quiet, process.stderr);
  const stop = listenForSignals({
    onFirst: (name) => progress.say(`${name}: finishing the step and saving; once more to quit at once`),
    onSecond: progress.stop,
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
    progress.say('Interrupted before anything was recorded: there is nothing to save.');
  } finally {
    progress.stop();
    stop.release();
  }
  const code = stop.exitCode();
  if (code !== undefined) throw new Exit(code);
}

/** Width and colour of a stream; NO_COLOR and FORCE_COLOR as their sites define them. */
export function layout(settings: Pick<Settings, 'color'>, stream: NodeJS.WriteStream): ReportLayout {
  const { NO_COLOR, FORCE_COLOR, COLUMNS } = process.env;
  const forced = FORCE_COLOR !== undefined && FORCE_COLOR !== '' && FORCE_COLOR !== '0';
  const wanted = forced || (stream.isTTY === true && (NO_COLOR === undefined || NO_COLOR === ''));
  const columns = stream.columns ?? Number(COLUMNS);
  return {
    colour: settings.color && wanted,
    width: Number.isInteger(columns) && columns > 0 ? columns : DEFAULT_WIDTH,
  };
}
