import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli, scratchFolder } from './run-cli.js';

/** Threads of the process at its end, on a machine that claims to have `cores` of them. */
async function threadsWith(cores: number, env: Readonly<Record<string, string>> = {}): Promise<number> {
  const dir = await scratchFolder();
  const [preload, counted] = [join(dir, 'preload.cjs'), join(dir, 'threads.txt')];
  writeFileSync(
    preload,
    `require('node:os').availableParallelism = () => ${cores};` +
      `const fs = require('node:fs');` +
      `process.on('exit', () => fs.cpSync('/proc/self/status', ${JSON.stringify(counted)}));`,
  );
  const { code, stderr } = await runCli(['--help'], {
    env: { NODE_OPTIONS: `--require=${preload}`, ...env },
  });
  expect(code, stderr).toBe(0);
  return Number(/^Threads:\s+(\d+)$/m.exec(readFileSync(counted, 'utf8'))?.[1]);
}

// Where it is set too late it has no effect: hence the count.
test.runIf(process.platform === 'linux')(
  'images are decoded by a thread for each core, and at least 4',
  async () => {
    const four = await threadsWith(4);
    expect(await threadsWith(1)).toBe(four);
    expect(await threadsWith(9)).toBe(four + 5);
    expect(await threadsWith(9, { UV_THREADPOOL_SIZE: '6' })).toBe(four + 2);
  },
);
