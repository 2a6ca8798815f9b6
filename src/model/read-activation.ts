import { UsageError } from '../errors/errors.js';
import { describe, type LayerNode } from './layer-graph.js';

/**
 * The activation of a convolution (its own option) or of a ReLU or Activation layer: ReLU6 or none.
 * Throws UsageError for any other: the network would be computed wrongly.
 */
export function readActivation(
  layer: LayerNode,
  option: unknown = layer.config['activation'],
): 'relu6' | 'linear' {
  const found = layer.className === 'ReLU' ? reluInWords(layer) : (option ?? 'linear');
  if (found === 'relu6' || found === 'linear') return found;
  throw new UsageError(
    `${describe(layer)}: expected the activation relu6 or linear, found ${typeof found === 'string' ? found : JSON.stringify(found)}`,
  );
}

function reluInWords({ config }: LayerNode): string {
  const { max_value: max, negative_slope: slope, threshold } = config;
  if (max === 6 && (slope ?? 0) === 0 && (threshold ?? 0) === 0) return 'relu6';
  return `relu with ${JSON.stringify({ max_value: max ?? null, negative_slope: slope ?? 0, threshold: threshold ?? 0 })}`;
}
