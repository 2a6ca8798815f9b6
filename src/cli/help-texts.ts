import type { Command } from 'commander';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildProgram } from './program.js';
import { HELP_WIDTHS } from './terminal.js';

// The build writes what --help prints to files, and bin/onecycle.js prints these: no module has to be loaded for it.

/** Every text of --help in each of these widths, by the name of its file, as in «onecycle.data.check.80.txt». */
export function helpTexts(widths: readonly number[] = HELP_WIDTHS): Readonly<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const width of widths) {
    const add = (command: Command, outer: string) => {
      const name = `${outer}${command.name()}.`;
      let text = '';
      command.configureOutput({ getOutHelpWidth: () => width, writeOut: (part) => (text += part) });
      command.outputHelp();
      texts[`${name}${width}.txt`] = text;
      for (const inner of command.commands) add(inner, name);
    };
    add(buildProgram(), '');
  }
  return texts;
}

/** Writes them into a folder. */
export function writeHelpTexts(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(helpTexts())) writeFileSync(join(folder, name), text);
}
