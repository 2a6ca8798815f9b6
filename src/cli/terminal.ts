import type { Settings } from '../config/settings.js';
import { printableJson, printableReport } from '../printable.js';
import type { ReportLayout } from '../report/text/layout.js';

const DEFAULT_WIDTH = 80;

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

/** Prints a command's result on stdout: the document with --json, else its report. */
export function printResult(
  document: object,
  report: (layout: ReportLayout) => string,
  { json, color }: Pick<Settings, 'json' | 'color'>,
): void {
  const text = json
    ? printableJson(document)
    : printableReport(report(layout({ color }, process.stdout)));
  process.stdout.write(`${text}\n`);
}
