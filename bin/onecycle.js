#!/usr/bin/env node
// CommonJS, because Node reads an ES module with the very threads that are counted here, and their number is fixed at first use.
const { existsSync } = require('node:fs');
const { availableParallelism } = require('node:os');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

// These threads decode images. Node starts 4, however many cores there are.
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism()));

const main = join(__dirname, '../dist/cli/main.js');
if (existsSync(main)) import(pathToFileURL(main));
else {
  process.stderr.write('onecycle: It is not built yet. Run "npm run build" in its folder.\n');
  process.exitCode = 2;
}
