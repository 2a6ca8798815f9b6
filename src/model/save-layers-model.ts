import { kerasLayers, type TrainedClassifier } from './keras-layers.js';

/** The files of a TFJS layers-model by name; whoever owns the folder writes them. */
export interface LayersModelFiles {
  readonly 'model.json': string;
  readonly 'weights.bin': Uint8Array;
  /** One class a line, in the order of the outputs. */
  readonly 'labels.txt': string;
}

/**
 * Writes a classifier as an ordinary TFJS layers-model: convolutions with bias, ReLU6, global average,
 * dense softmax, float32. Its input is [batch, imageSize, imageSize, 3] in [-1, 1], its output the
 * classes' probabilities. Throws RangeError where an array has not the length that the network gives it.
 */
export function saveLayersModel(classifier: TrainedClassifier): LayersModelFiles {
  const { classNames, imageSize } = classifier;
  const { layers, weights, output } = kerasLayers(classifier);
  const input = layers[0]?.name;
  const model = {
    format: 'layers-model',
    generatedBy: 'onecycle',
    convertedBy: null,
    modelTopology: {
      class_name: 'Model',
      config: { name: 'mobilenet', layers, input_layers: [[input, 0, 0]], output_layers: [[output, 0, 0]] },
      keras_version: 'tfjs-layers 4.22.0',
      backend: 'tensor_flow.js',
    },
    weightsManifest: [
      {
        paths: ['weights.bin'],
        weights: weights.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })),
      },
    ],
    // labels.txt cannot hold a name with a line break; this can.
    userDefinedMetadata: { classNames, imageSize },
  };
  return {
    'model.json': JSON.stringify(model),
    'weights.bin': concatenate(weights),
    'labels.txt': classNames.map((name) => `${name.replaceAll(/[\r\n]+/g, ' ')}\n`).join(''),
  };
}

interface NamedWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

function concatenate(weights: readonly NamedWeight[]): Uint8Array {
  const all = new Float32Array(weights.reduce((sum, { values }) => sum + values.length, 0));
  let offset = 0;
  for (const { name, shape, values } of weights) {
    const expected = shape.reduce((product, length) => product * length, 1);
    if (values.length !== expected) {
      throw new RangeError(
        `${name}: expected ${expected} values for [${shape.join(', ')}], found ${values.length}`,
      );
    }
    all.set(values, offset);
    offset += values.length;
  }
  return new Uint8Array(all.buffer);
}
