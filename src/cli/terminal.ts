import type { Settings } from '../config/settings.js';
import { printableJson, printableLines, printableReport } from '../printable.js';
import type { ReportLayout } from '../report/text/layout.js';

/** The columns of a stream that does not know them. */
export const DEFAULT_WIDTH = 80;

/** The widths in columns that --help is set for; bin/onecycle.js knows them too. */
export const HELP_WIDTHS = [120, 100, 80, 60] as const;

/** The columns that --help takes: the next of these, or all where there are fewer. */
export function helpWidth({ isTTY, columns }: Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>): number {
  // A terminal that does not know its width has 0 columns.
  const there = (isTTY && columns) || DEFAULT_WIDTH;
  return HELP_WIDTHS.find((width) => width <= there) ?? there;
}

/** Whether this is a terminal that knows escape codes. TERM=dumb says that it does not, as in the shells of editors. */
export function takesEscapes({ isTTY = false }: { readonly isTTY?: boolean }): boolean {
  return isTTY && process.env['TERM'] !== 'dumb';
}

/** Width and colour of a stream; NO_COLOR and FORCE_COLOR as their sites define them. */
export function layout(settings: Pick<Settings, 'color'>, stream: NodeJS.WriteStream): ReportLayout {
  const { NO_COLOR, FORCE_COLOR, COLUMNS } = process.env;
  const forced = FORCE_COLOR !== undefined && FORCE_COLOR !== '' && FORCE_COLOR !== '0';
  const wanted = forced || (takesEscapes(stream) && (NO_COLOR === undefined || NO_COLOR === ''));
  const columns = stream.columns ?? Number(COLUMNS);
  return {
    colour: settings.color && wanted,
    width: Number.isInteger(columns) && columns > 0 ? columns : DEFAULT_WIDTH,
  };
}

/** Prints a command's result on stdout: the document with --json, else its report. */
export function printResult(
  document: object,
  report: (layout: ReportLayout) => string,
  { json, color }: Pick<Settings, 'json' | 'color'>,
): void {
  const text = json ? printableJson(document) : printableReport(report(layout({ color }, process.stdout)));
  process.stdout.write(`${text}\n`);
  printed = true;
}

let printed = false;
let promised = process.argv.includes('--json');

/** From here on stdout is to hold a JSON document, whatever comes of the command; --json says so by itself. */
export function promiseJson(): void {
  promised = true;
}

/** Whether a JSON document was promised and has not been printed. */
export function owesJson(): boolean {
  return promised && !printed;
}

/** Some JSON stands on stdout already: an error is told on stderr alone. */
export function hasPrintedJson(): void {
  printed = true;
}

/**
 * Writes a page, where one is asked for, then prints: whatever becomes of the output, the files are there. A page that fails does
 * not take the result with it; its error is thrown last. Answers where the page lies.
 */
export async function printBesides(
  page: (() => Promise<string>) | undefined,
  print: () => void,
): Promise<string | undefined> {
  const [written] = page === undefined ? [] : await Promise.allSettled([page()]);
  print();
  if (written?.status === 'rejected') throw written.reason;
  return written?.value;
}

/** Says something on stderr outside of a session, whose progress would have to make room for it. */
export function say(text: string): void {
  process.stderr.write(`${printableLines(text)}\n`);
}

/**
 * Says what becomes of output that nobody takes. A reader of stdout that closes the pipe early (head, less) ends the program
 * without a word; where stdout cannot be written, that is said on stderr and the exit code is 1. A terminal that was closed, and
 * stderr, must not keep a run from saving.
 */
export function guardStreams(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' && !outlives) process.exit(process.exitCode ?? 0);
    if (error.code === 'EPIPE' || error.code === 'EIO') return;
    process.exitCode ||= 1;
    told ??= tellFailedOutput(error);
  });
  process.stderr.on('error', () => undefined);
}

let told: Promise<void> | undefined;
let outlives = false;

/** From here on a reader of stdout that closes the pipe ends the output, but not the program: it has files to write. */
export function outliveReaders(): void {
  outlives = true;
}

/** Says that stdout could not be written. */
export async function tellFailedOutput(error: Error): Promise<void> {
  const { writeFailure } = await import('../runs/atomic.js');
  say(
    `onecycle: Could not write to stdout: ${writeFailure(error)}. Files that the command wrote are whole; ` +
      'free some space, or send the output elsewhere, to see the rest.',
  );
}
