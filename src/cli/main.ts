import type { Command } from 'commander';
import { exitCodeOf, printErrorDocument, reportError } from './errors.js';
import { buildProgram } from './program.js';
import { guardStreams } from './terminal.js';

const debug = process.argv.includes('--debug');
let program: Command | undefined;

function report(error: unknown): void {
  reportError(error, debug);
  printErrorDocument(error, program?.commands.map((command) => command.name()) ?? []);
}

guardStreams();
// What is thrown where nobody waits for it.
process.on('uncaughtException', (error) => {
  report(error);
  process.exit(exitCodeOf(error) || 1);
});

try {
  program = buildProgram();
  await program.parseAsync(process.argv);
} catch (error) {
  report(error);
  // Help that was asked for ends with 0, whatever became of stdout meanwhile.
  process.exitCode = exitCodeOf(error) || (process.exitCode ?? 0);
}
