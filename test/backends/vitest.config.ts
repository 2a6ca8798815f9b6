import { defineConfig } from 'vitest/config';

/** Of the kernels of TensorFlow.js; those of wasm are called directly, in test/unit/backend. */
const numerics = process.env['BACKEND'] === 'wasm' ? [] : ['test/backends/numerics.ts'];

// One backend at a time, named by BACKEND: run-backends.mjs sets it and what the backend needs to be found.
export default defineConfig({
  test: {
    include: [
      ...numerics,
      'test/backends/replay.ts',
      'test/backends/training.ts',
      'test/backends/failures.ts',
    ],
    testTimeout: 300_000,
    hookTimeout: 120_000,
    maxWorkers: 1,
    // A backend is started once for each file, and native libraries live as long as the process.
    isolate: true,
  },
});
