import { expect, test } from 'vitest';
import { UsageError } from '../../../src/errors.js';
import { type Backbone, firstTrainableBlock, type TrainablePart } from '../../../src/model/network.js';

function backbone(version: 1 | 2): Backbone {
  const names = version === 1 ? ['conv1'] : ['Conv1', 'expanded_conv'];
  for (let i = 1; i <= (version === 1 ? 13 : 16); i++) names.push(`block_${i}`);
  if (version === 2) names.push('Conv_1');
  const blocks = names.map((name) => ({ name, units: [], residual: false }));
  return { version, alpha: 1, trainedSize: 224, blocks, features: 1024 };
}

const cases: [1 | 2, TrainablePart, string | undefined][] = [
  [2, 'all', 'Conv1'],
  [2, 'last:17', 'expanded_conv'],
  [2, 'last:11', 'block_6'],
  [2, 'last:1', 'block_16'],
  [2, 'head', undefined],
  [1, 'all', 'conv1'],
  [1, 'last:13', 'block_1'],
  [1, 'last:2', 'block_12'],
  [1, 'last:1', 'block_13'],
  [1, 'head', undefined],
];

test.each(cases)('V%d, %s: from %s on', (version, trainable, name) => {
  const network = backbone(version);
  const first = firstTrainableBlock(network, trainable);
  expect(network.blocks[first]?.name).toBe(name);
  if (name === undefined) expect(first).toBe(network.blocks.length);
});

const refused: [1 | 2, string, RegExp][] = [
  [2, 'last:18', /"last:18": .*N from 1 to 17, the number of inverted residuals of this MobileNet V2/],
  [1, 'last:14', /N from 1 to 13, the number of depthwise-separable blocks of this MobileNet V1/],
  [2, 'last:0', /from 1 to 17/],
  [2, 'last:-1', /from 1 to 17/],
  [2, 'last:1.5', /from 1 to 17/],
  [2, 'last:', /from 1 to 17/],
  [2, 'none', /expected all, head, or last:N/],
];

test.each(refused)('V%d, %s is refused', (version, trainable, message) => {
  const attempt = () => firstTrainableBlock(backbone(version), trainable as TrainablePart);
  expect(attempt).toThrow(UsageError);
  expect(attempt).toThrow(message);
});
