import { expect, test } from 'vitest';
import { startBackend } from '../../../src/engine/backends/choose.js';
import { backendTraits, currentBackend } from '../../../src/engine/backends/current.js';
import { UsageError } from '../../../src/errors.js';

// The first test of the file: here no backend was started yet.
test('without a backend nothing computes, and that is said', () => {
  expect(() => currentBackend()).toThrow('no backend was started');
  expect(() => backendTraits()).toThrow('no backend was started');
});

test('the one that was started last computes, and training is arranged for it', async () => {
  const wasm = await startBackend('wasm');
  expect(wasm).toMatchObject({ name: 'wasm', gpu: false, driver: null, versions: {} });
  expect(currentBackend()).toBe('wasm');
  expect(backendTraits()).toMatchObject({ threads: true, lossEvery: 1 });

  const cpu = await startBackend('cpu');
  expect(cpu).toMatchObject({ name: 'cpu', gpu: false, device: wasm.device });
  expect(Object.keys(cpu.versions)).toEqual(['tfjs-core', 'tfjs-backend-cpu']);
  expect(currentBackend()).toBe('cpu');
  // The slices are those of wasm: a run may go on with the one where the other began it.
  expect(backendTraits()).toEqual({ ...backendTraits('wasm'), threads: false });
});

test('a backend that nobody knows changes nothing', async () => {
  await startBackend('wasm');
  await expect(startBackend('cuda')).rejects.toThrow(UsageError);
  await expect(startBackend('cuda')).rejects.toThrow(/Expected auto, .* for --backend but received cuda/);
  expect(currentBackend()).toBe('wasm');
});
