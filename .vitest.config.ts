import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two cores: more workers than that only fight each other.
    maxWorkers: 2,
    // No test uses what another has computed, nor leaves anything in the user's cache.
    env: { ONECYCLE_CACHE_SIZE: '0' },
  },
});
