// Tests every backend that can be had here, one after another, and ends with a line for each: tested, FAILED or absent.
//
// usage: node test/backends/run-backends.mjs [BACKEND...]     one that is named and absent counts as failed
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const named = process.argv.slice(2);
const backends = named.length > 0 ? named : ['tensorflow', 'webgpu', 'wasm', 'cpu'];
const prepare = { tensorflow, webgpu, wasm: () => ({ env: {} }), cpu: () => ({ env: {} }) };

const lines = [];
let failed = false;
for (const backend of backends) {
  if (!(backend in prepare))
    throw new Error(`Expected ${Object.keys(prepare).join(', ')} but received ${backend}.`);
  const { env, absent } = prepare[backend]();
  if (absent !== undefined) {
    lines.push(`${backend}: absent (${absent})`);
    failed ||= named.length > 0;
    continue;
  }
  console.log(`\n== ${backend}`);
  const { passed, tests, device } = run(backend, env);
  failed ||= !passed;
  lines.push(passed ? `${backend}: tested (${device}; ${tests} tests)` : `${backend}: FAILED (${device})`);
}
console.log(`\n${lines.join('\n')}`);
process.exitCode = failed ? 1 : 0;

/** What an installed package finds; else libtensorflow 1.15 from the npm registry, kept beside the packages. */
function tensorflow() {
  if (tryStart('tensorflow', {}).ok) return { env: {} };
  const folder = join(root, 'node_modules/.cache/onecycle/tensorflow');
  const script = join(root, 'test/backends/fetch-tensorflow.sh');
  const { status, stderr } = spawnSync('bash', [script, folder], {
    encoding: 'utf8',
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  if (status !== 0) return { absent: `not installed, and not fetched: ${lastLine(stderr)}` };
  const env = { NODE_PATH: join(folder, 'node_modules') };
  const { ok, reason } = tryStart('tensorflow', env);
  return ok ? { env } : { absent: reason };
}

/** This machine's adapter; else SwiftShader, which Debian's chromium brings together with a Vulkan loader. */
function webgpu() {
  if (tryStart('webgpu', {}).ok) return { env: {} };
  const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';
  if (!existsSync(driver))
    return { absent: `${tryStart('webgpu', {}).reason} For SwiftShader: apt-get install chromium` };
  const env = {
    VK_ICD_FILENAMES: driver,
    LD_LIBRARY_PATH: [process.env.LD_LIBRARY_PATH, dirname(driver)].filter(Boolean).join(':'),
  };
  const { ok, reason } = tryStart('webgpu', env);
  return ok ? { env } : { absent: reason };
}

/** Starts the built program's backend in a process of its own. */
function tryStart(backend, env) {
  const module = new URL('../../dist/engine/backends/choose.js', import.meta.url).href;
  const code = `const { startBackend } = await import(${JSON.stringify(module)});
    const { device, driver } = await startBackend(${JSON.stringify(backend)});
    console.log(JSON.stringify([device, driver].filter(Boolean).join(', ')));`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (status === 0) return { ok: true, device: JSON.parse(lastLine(stdout)) };
  const error = stderr.split('\n').find((line) => line.includes('Error: '));
  return { ok: false, reason: error?.replace(/^.*?Error: (--backend \w+: )?/, '') ?? lastLine(stderr) };
}

function run(backend, env) {
  const folder = mkdtempSync(join(tmpdir(), 'onecycle-backends-'));
  const report = join(folder, 'report.json');
  try {
    const { status } = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules/vitest/vitest.mjs'),
        ...['run', '--config', 'test/backends/vitest.config.ts'],
        ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
      ],
      { cwd: root, stdio: 'inherit', env: { ...process.env, ...env, BACKEND: backend } },
    );
    const { numPassedTests } = existsSync(report)
      ? JSON.parse(readFileSync(report, 'utf8'))
      : { numPassedTests: 0 };
    const { device = 'it does not start' } = tryStart(backend, env);
    return { passed: status === 0 && numPassedTests > 0, tests: numPassedTests, device };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function lastLine(text) {
  return text.trimEnd().split('\n').at(-1) ?? '';
}
