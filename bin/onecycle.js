#!/usr/bin/env node
// CommonJS, because Node reads an ES module with the very threads that are counted here, and their number is fixed at first use.
const { existsSync, readFileSync } = require('node:fs');
const { availableParallelism } = require('node:os');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

const help = helpText(process.argv.slice(2));
const main = join(__dirname, '../dist/cli/main.js');
if (help !== undefined) {
  process.stdout.on('error', (error) => {
    // A reader such as head may have had enough of it.
    if (error.code === 'EPIPE' || error.code === 'EIO') return;
    process.exitCode = 1;
    const terminal = pathToFileURL(join(__dirname, '../dist/cli/terminal.js'));
    import(terminal).then(({ tellFailedOutput }) => tellFailedOutput(error));
  });
  process.stdout.write(help);
} else if (existsSync(main)) {
  // These threads decode images. Node starts 4, however many cores there are.
  process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism()));
  import(pathToFileURL(main));
} else {
  process.stderr.write('onecycle: It is not built yet. Run "npm run build" in its folder.\n');
  process.exitCode = 2;
}

/**
 * What --help prints about the program or a command, as the build has written it for some widths: loading what makes it takes as long as
 * all else. Undefined for everything else, for narrow terminals, and where there is no such command.
 */
function helpText(words) {
  const names = words.slice(0, -1);
  if (!['--help', '-h'].includes(words.at(-1)) || !names.every((name) => /^[a-z][a-z-]*$/.test(name)))
    return undefined;
  const columns = process.stdout.isTTY ? process.stdout.columns : 80;
  const width = [120, 100, 80, 60].find((known) => known <= columns);
  const file = join(__dirname, '../dist/cli/help', `${['onecycle', ...names, width].join('.')}.txt`);
  return width !== undefined && existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
