import { statSync } from 'node:fs';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { checkSettings, type GivenSettings, readConfigFile, readFlag } from '../config/check-settings.js';
import { readArms } from '../config/arms.js';
import { type CommandName, OPTIONS, type OptionSpec } from '../config/options.js';
import { trainedPart } from '../config/run-config.js';
import {
  flagsWithoutEffect,
  type RateTable,
  readDefaults,
  type Settings,
  withGiven,
} from '../config/settings.js';
import type { BackendInfo } from '../engine/backends/backend-info.js';
import { startBackend } from '../engine/backends/choose.js';
import { MissingPathError, UsageError } from '../errors.js';
import type { ReportLayout } from '../report/text/layout.js';
import { requireWritable, sweepFolder } from '../runs/atomic.js';
import { SCHEMA_VERSION, type SettingsDocument, type SettingValue } from '../runs/documents.js';
import type { JsonValue } from '../runs/json.js';
import { Exit } from './errors.js';
import { openProgress, type ProgressView } from './progress.js';
import { type Closing, sameAgain, sayClosing } from './closing.js';
import { layout, printResult, promiseJson, say } from './terminal.js';

/** Flags as commander gathers them: texts, or booleans for flags without a value. */
export type RawFlags = Readonly<Record<string, string | boolean>>;

/** What every command works with. */
export interface Session {
  readonly settings: Settings;
  readonly rates: RateTable;
  /** Only what a flag or the config file says. */
  readonly given: GivenSettings;
  /** Only what a flag says. */
  readonly spoken: GivenSettings;
  readonly progress: ProgressView;
  /** Aborted at the first signal. */
  readonly signal: AbortSignal;
  /** Starts the backend once it is needed: --backend, or else `otherwise`. */
  readonly startBackend: (otherwise?: string) => Promise<BackendInfo>;
  /** Shows something on stderr above the progress. */
  readonly tell: (report: (layout: ReportLayout) => string) => void;
  /** Prints the result, after all files are written: the document with --json, else the report for this terminal. */
  readonly print: (document: object, report: (layout: ReportLayout) => string) => void;
  /** Says last of all where the results lie and how to go on, unless --quiet. */
  readonly close: (closing: Closing) => void;
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
  const { settings, rates, given, spoken, notes, relativePaths } = await readSettings(flags);
  const progress = openProgress(settings.quiet, process.stderr);
  for (const text of notes) progress.say(text);
  const stop = listenForSignals((name) => {
    // A second signal may end the program while the bars hide the cursor.
    progress.stop();
    progress.say(`${name}: ${ending}; once more to quit at once`);
  });
  let outcome: string | undefined;
  try {
    await work({
      settings,
      rates,
      given,
      spoken,
      progress,
      signal: stop.signal,
      startBackend: (otherwise) =>
        startBackend(given.backend ?? otherwise ?? settings.backend, {
          debug: settings.debug,
          note: (text) => progress.emit({ type: 'note', text }),
        }),
      tell: (report) => progress.show(report(layout(settings, process.stderr))),
      print: (document, report) => {
        progress.stop();
        printResult(document, report, settings);
      },
      close: (closing) => {
        progress.stop();
        if (!settings.quiet) sayClosing(closing);
      },
    });
  } catch (error) {
    if (error instanceof MissingPathError && relativePaths.has(error.option)) {
      throw new UsageError(
        `${error.message} "${error.option}" in ${given.config} is a relative path: it counts from the working directory, ${process.cwd()}, not from that file.`,
      );
    }
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
    progress.say(nothing);
    outcome = nothing;
  } finally {
    progress.stop();
    stop.release();
  }
  const code = stop.exitCode();
  if (code !== undefined) throw new Exit(code, outcome);
}

/** Says which flags change nothing. */
export function warnOfIdleFlags(
  { spoken, progress }: Pick<Session, 'spoken' | 'progress'>,
  arms: Parameters<typeof flagsWithoutEffect>[1],
): void {
  for (const text of flagsWithoutEffect(spoken, arms)) progress.emit({ type: 'warning', text });
}

/** Refuses, before anything is trained, a place for the report that would not do. Throws UsageError. */
export async function checkReportFolder({
  report,
  out,
}: Pick<Settings, 'report'> & { readonly out?: string }): Promise<void> {
  if (report === undefined) return;
  if (/\.html?$/iu.test(report)) {
    throw new UsageError(
      `Expected a folder for --report but received ${report}. Give a folder: report.html and its charts go into it.`,
    );
  }
  if (out !== undefined && resolve(report) === resolve(out)) {
    throw new UsageError(
      `--report and --out are both ${out}, which holds run folders alone. Give --report another one.`,
    );
  }
  await requireWritable(report, '--report');
  await sweepFolder(report);
  const page = join(report, 'report.html');
  if (statSync(page, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new UsageError(`Could not write ${page}: it is a folder. Remove it, or give --report another one.`);
  }
}

/** `--print-config`: the settings of a command, each with where its value comes from, and what the arms of a comparison change. */
export async function printSettings(command: CommandName, flags: RawFlags): Promise<void> {
  const { settings, rates, given, spoken, notes } = await readSettings(flags);
  for (const text of notes) say(text);
  const arms = command === 'compare' ? await readArms(settings.policies, settings.momentum) : [];
  const measured = rates[trainedPart(settings.trainable)];
  const values: Readonly<Record<string, unknown>> = {
    ...settings,
    lr: settings.lr ?? (command === 'train' ? measured[settings.policy] : measured),
  };
  const names = Object.entries<OptionSpec>(OPTIONS).flatMap(([name, { commands }]) =>
    commands.includes(command) && name !== 'printConfig' && name !== 'config' ? [name] : [],
  );
  const listed = (
    wanted: readonly string[],
    value: Readonly<Record<string, unknown>>,
    from: (name: string) => SettingValue['from'],
  ) =>
    Object.fromEntries(
      wanted.map((name) => [name, { value: (value[name] ?? null) as JsonValue, from: from(name) }]),
    );
  const document: SettingsDocument = {
    schemaVersion: SCHEMA_VERSION,
    command,
    status: 'completed',
    file: given.config ?? null,
    settings: listed(names, values, (name) =>
      Object.hasOwn(spoken, name) ? 'flag' : Object.hasOwn(given, name) ? 'file' : 'default',
    ),
    arms: arms.map(({ name, overrides }) => ({
      arm: name,
      settings: listed(Object.keys(overrides), overrides, () => 'arm'),
    })),
  };
  const { settingsReport } = await import('../report/pages/plan.js');
  printResult(document, (shown) => settingsReport(document, shown), settings);
  if (!settings.quiet) sayClosing({ next: sameAgain(['printConfig']) });
}

/** Options as they apply, and what the user actually said: defaults < file < flags. */
interface GivenOptions {
  readonly settings: Settings;
  readonly rates: RateTable;
  /** Only what a flag or the config file says. */
  readonly given: GivenSettings;
  /** Only what a flag says. */
  readonly spoken: GivenSettings;
  /** What the user should know about the config file. */
  readonly notes: readonly string[];
  /** Options whose value is a relative path that the config file gives. */
  readonly relativePaths: ReadonlySet<string>;
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
    undefined,
    flags,
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
  const relative = own.filter(([name, value]) => !Object.hasOwn(spoken, name) && isRelative(value));
  if (said.json === true) promiseJson();
  return {
    ...{ settings: withGiven(settings, said), rates, given: said, spoken: { ...spoken, ...shown }, notes },
    relativePaths: new Set(relative.map(([name]) => name)),
  };
}

function isRelative(value: unknown): boolean {
  return typeof value === 'string' && !isAbsolute(value.replace(/^from:/, ''));
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
 * nohup asks that the end of a terminal ends nothing. Node takes the signal that it had ignored up again at its start, and only bash and
 * zsh tell, in the variable _, by which command they began.
 */
function isUnderNohup(): boolean {
  return basename(process.env['_'] ?? '') === 'nohup';
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
      if (name === 'SIGHUP' && isUnderNohup()) return;
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
