#!/usr/bin/env bash
# @tensorflow/tfjs-layers 4.22.0: the activation «hard_sigmoid» of a layers-model is Keras 2's, clip(0.2 x + 0.5, 0, 1), and there is no
# second one. In Keras 3 and PyTorch the same name is relu6(x + 3) / 6. A model.json that a converter made from a Keras 3 model
# therefore loads without a word and computes something else: at x = 2 0.9 and not 0.833. Squeeze-and-excite of a
# MobileNet V3 has this activation, so that its features come out wrong throughout. «hard_swish» is not known at all and is refused.
#
# Input: a layers-model of one Activation layer, as JSON, on the numbers -3, -2.5, -1, 0, 1, 2, 2.5 and 3.
# Expected: what Keras 3 computes for the activation of that name (keras/src/activations: 0 up to -3, 1 from 3 on, x / 6 + 0.5 between).
# Seen, with Node 20.20.2 on linux-x64, November 2026:
#     hard_sigmoid       0.0000 0.0000 0.3000 0.5000 0.7000 0.9000 1.0000 1.0000
#     relu6(x + 3) / 6   0.0000 0.0833 0.3333 0.5000 0.6667 0.8333 0.9167 1.0000
#     hard_swish         Error: Unknown activation: hardSwish. This may be due to one
#
# Needs Node 20, npm and the npm registry; installs into a temporary folder. Ends with 0 while tfjs-layers behaves as said, and with 1
# once it does not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --save-exact \
  @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0 @tensorflow/tfjs-layers@4.22.0

cat > finding.mjs <<'MODULE'
import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { loadLayersModel } from '@tensorflow/tfjs-layers';

const NUMBERS = [-3, -2.5, -1, 0, 1, 2, 2.5, 3];
const layer = (activation) => ({
  class_name: 'Activation',
  config: { name: 'gate', activation, batch_input_shape: [null, NUMBERS.length], dtype: 'float32' },
});
const load = (activation) =>
  loadLayersModel({
    load: async () => ({
      modelTopology: { class_name: 'Sequential', config: { name: 'one', layers: [layer(activation)] } },
      weightSpecs: [],
      weightData: new ArrayBuffer(0),
    }),
  });
const line = (name, values) => console.log(name.padEnd(18), [...values].map((value) => value.toFixed(4)).join(' '));
const near = (found, wanted) => found.every((value, i) => Math.abs(value - wanted[i]) < 1e-6);

await tf.ready();
const model = await load('hard_sigmoid');
const found = [...model.predict(tf.tensor2d([NUMBERS])).dataSync()];
const keras2 = NUMBERS.map((x) => Math.min(1, Math.max(0, 0.2 * x + 0.5)));
const keras3 = NUMBERS.map((x) => Math.min(6, Math.max(0, x + 3)) / 6);
line('hard_sigmoid', found);
line('relu6(x + 3) / 6', keras3);
const refusal = await load('hard_swish').then(() => 'loads', (error) => `Error: ${error.message}`);
console.log('hard_swish'.padEnd(18), refusal.slice(0, 60));

assert(near(found, keras2), 'hard_sigmoid is no longer that of Keras 2');
assert(!near(found, keras3), 'hard_sigmoid is that of Keras 3');
assert.match(refusal, /^Error: Unknown activation: hardSwish/u);
MODULE
node finding.mjs
