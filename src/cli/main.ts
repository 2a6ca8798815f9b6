import { exitCodeOf, reportError } from './errors.js';
import { buildProgram } from './program.js';

const debug = process.argv.includes('--debug');

// A reader that closes the pipe early (head, less) ends the output, not the program with a stack trace.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
  if (error.code !== 'EIO') throw error;
});
// A terminal that was closed (EIO, with a SIGHUP) must not keep a run from saving.
process.stderr.on('error', () => undefined);

try {
  await buildProgram().parseAsync(process.argv);
} catch (error) {
  reportError(error, debug);
  process.exitCode = exitCodeOf(error);
}
