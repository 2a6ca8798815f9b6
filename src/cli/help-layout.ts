import { type AddHelpTextContext, Help } from 'commander';
import { DEFAULT_WIDTH } from './terminal.js';

/** Where fewer columns are left beside the flags, what they do stands below them. */
const NARROWEST = 40;
const BELOW = '      ';

/** Sets --help so that it fits any terminal of 40 columns and more. */
export const FITTED_HELP: Partial<Help> = {
  // Commander leaves a text whole where it has less room than this, 40 columns by default.
  minWidthToWrap: 1,
  styleUsage(this: Help, usage) {
    return this.boxWrap(usage, columnsOf(this) - 'Usage: '.length).replaceAll('\n', '\n       ');
  },
  formatItem(this: Help, term, termWidth, description) {
    const gaps = 4;
    if (columnsOf(this) - termWidth - gaps >= NARROWEST) {
      return Help.prototype.formatItem.call(this, term, termWidth, description, this);
    }
    const text = this.boxWrap(description, columnsOf(this) - BELOW.length);
    return `  ${term}\n${BELOW}${text.replaceAll('\n', `\n${BELOW}`)}`;
  },
};

/** What sets the texts that a command's help ends with, in the columns of that help. */
export function helperOf({ command, error }: AddHelpTextContext): Help {
  const helper = command.createHelp();
  const { getOutHelpWidth, getErrHelpWidth } = command.configureOutput();
  helper.helpWidth = (error ? getErrHelpWidth : getOutHelpWidth)?.() ?? DEFAULT_WIDTH;
  return helper;
}

/** A sentence of such a text. */
export function wrapped(text: string, helper: Help): string {
  return helper.boxWrap(text, columnsOf(helper));
}

/** A command line, which goes on over several lines as a shell takes it. */
export function commandLine(line: string, helper: Help): string {
  const room = columnsOf(helper) - 2;
  if (line.length <= room) return line;
  return helper.boxWrap(line, room - ' \\'.length).replaceAll('\n', ' \\\n  ');
}

function columnsOf({ helpWidth = DEFAULT_WIDTH }: Help): number {
  return helpWidth;
}
