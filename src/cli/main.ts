import { exitCodeOf, reportError } from './errors.js';
import { buildProgram } from './program.js';
import { guardStreams } from './terminal.js';

const debug = process.argv.includes('--debug');

guardStreams();
// What is thrown where nobody waits for it.
process.on('uncaughtException', (error) => {
  reportError(error, debug);
  process.exit(exitCodeOf(error) || 1);
});

try {
  await buildProgram().parseAsync(process.argv);
} catch (error) {
  reportError(error, debug);
  // Help that was asked for ends with 0, whatever became of stdout meanwhile.
  process.exitCode = exitCodeOf(error) || (process.exitCode ?? 0);
}
