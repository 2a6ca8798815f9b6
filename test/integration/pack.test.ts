import { execa } from 'execa';
import { expect, test } from 'vitest';
import { ROOT } from './run-cli.js';

// What is installed and run from the tarball is tried by `npm run test:pack`: it needs the registry.
test('the package carries all that it needs at run time, and no sources or tests', async () => {
  const { stdout } = await execa('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT });
  const [packed] = JSON.parse(stdout) as { files: { path: string }[]; unpackedSize: number }[];
  const paths = packed!.files.map(({ path }) => path);
  for (const path of [
    'bin/onecycle.js',
    'configs/default.json',
    'configs/post.json',
    'data/README.md',
    'data/cifar10-mini/train/cat/00009.png',
    'data/weights/mobilenet_v2_0.35_224/model.json',
    'dist/engine/wasm/kernels.wasm',
    'dist/engine/wasm/kernels-fused.wasm',
    'dist/cli/main.js',
    'dist/cli/manual/lr-curve.md',
    'dist/cli/manual/models.md',
    'dist/compare/worker.js',
    'dist/export/page.browser.js',
    'dist/export/tfjs/LICENSE',
    'dist/export/tfjs/tfjs-backend-wasm-simd.wasm',
    'dist/engine/wasm/team-worker.js',
    'LICENSE',
    'package.json',
  ]) {
    expect(paths).toContain(path);
  }
  expect(paths.filter((path) => /^(src|test|runs)\/|\.ts$|\.py$/.test(path))).toEqual([]);
  expect(packed!.unpackedSize).toBeLessThan(20e6);
});
