import { WasmEngine } from '../../dist/engine/wasm/engine.js';

// Loaded before the program: tells the parent process when the first training step is done.
const { step } = WasmEngine.prototype;
WasmEngine.prototype.step = async function (...args) {
  WasmEngine.prototype.step = step;
  const outcome = await step.apply(this, args);
  process.send('first step');
  return outcome;
};
