import { exitCodeOf, reportError } from './errors.js';
import { buildProgram } from './program.js';

const debug = process.argv.includes('--debug');

// A reader that closes the pipe early (head, less) ends the output, not the program with a stack trace.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await buildProgram().parseAsync(process.argv);
} catch (error) {
  reportError(error, debug);
  process.exitCode = exitCodeOf(error);
}
