import { samePadding } from '../model/load/conv-stage.js';
import { foldBatchNorms } from '../model/load/fold.js';
import type { ConvUnit } from '../model/network.js';
import type { TrainedClassifier } from '../model/save.js';
import type { Preprocessing } from '../runs/documents.js';

/** Version 7 of the format with operator set 13, of 2020: old enough for every runtime in use. */
const [IR_VERSION, OPSET] = [7, 13];
/** TensorProto.DataType, AttributeProto.AttributeType. */
const FLOAT = 1;
const [INT, INTS] = [2, 7];

/**
 * A classifier as an ONNX model: `images` [batch, height, width, 3] in [-1, 1] to `probabilities` [batch, classes]. Images are
 * laid out as for the TFJS model, so that one preprocessing.json serves both; the first node brings the channels forward. Batch norm
 * is folded into the convolutions.
 */
export function onnxModel(classifier: TrainedClassifier, preprocessing: Preprocessing): Uint8Array {
  const { head, classNames, imageSize } = classifier;
  const { backbone, parameters } = foldBatchNorms(classifier);
  const nodes: Uint8Array[] = [];
  const weights: Uint8Array[] = [];
  let at = 'images';
  const add = (
    opType: string,
    name: string,
    input: readonly string[],
    attributes: Attributes = {},
    output?: string,
  ) => {
    at = output ?? `value_${nodes.length}`;
    nodes.push(node(opType, name, input, at, attributes));
  };
  const weight = (name: string, dims: readonly number[], values: Float32Array): string => {
    weights.push(tensor(name, dims, values));
    return name;
  };
  const parameter = (name: string): Float32Array => {
    const found = parameters.get(name);
    if (found === undefined) throw new RangeError(`parameter ${name} is missing`);
    return found.values;
  };

  const bounds = [weight('relu6/low', [], Float32Array.of(0)), weight('relu6/high', [], Float32Array.of(6))];
  add('Transpose', 'channels_first', [at], { perm: [0, 3, 1, 2] });
  let side = imageSize;
  for (const block of backbone.blocks) {
    const start = at;
    for (const unit of block.units) {
      const { name, relu6 } = unit;
      const { dims, values } = filterOf(unit, parameter(`${name}/kernel`));
      const bias = parameter(`${name}/bias`);
      const inputs = [
        at,
        weight(`${name}/kernel`, dims, values),
        weight(`${name}/bias`, [bias.length], bias),
      ];
      add('Conv', name, inputs, convAttributes(unit, side));
      side = Math.ceil(side / unit.stride);
      if (relu6) add('Clip', `${name}_relu6`, [at, ...bounds]);
    }
    if (block.residual) add('Add', `${block.name}_add`, [start, at]);
  }
  const classes = classNames.length;
  add('GlobalAveragePool', 'global_average', [at]);
  add('Flatten', 'features', [at], { axis: 1 });
  const kernel = weight('predictions/kernel_of_head', [backbone.features, classes], head.kernel);
  add('Gemm', 'logits', [at, kernel, weight('predictions/bias_of_head', [classes], head.bias)]);
  add('Softmax', 'softmax', [at], { axis: 1 }, 'probabilities');

  const graph = message(
    ...nodes.map((each) => field(1, each)),
    field(2, `mobilenet_v${backbone.version}`),
    ...weights.map((each) => field(5, each)),
    field(11, valueInfo('images', [imageSize, imageSize, 3])),
    field(12, valueInfo('probabilities', [classes])),
  );
  return message(
    field(1, IR_VERSION),
    field(2, 'onecycle'),
    field(7, graph),
    // The standard operators have no name of a domain.
    field(8, message(field(2, OPSET))),
    field(14, entry('classes', JSON.stringify(classNames))),
    field(14, entry('preprocessing', JSON.stringify(preprocessing))),
  );
}

type Attributes = Readonly<Record<string, number | readonly number[]>>;

/** ONNX pads as it is told: TensorFlow's 'same' depends on the size of the input. */
function convAttributes(
  { kind, stride, filterShape: [height, width, channels] }: ConvUnit,
  side: number,
): Attributes {
  const [[top, bottom], [left, right]] = samePadding({ size: side, kernel: [height, width], stride });
  return {
    kernel_shape: [height, width],
    strides: [stride, stride],
    pads: [top, left, bottom, right],
    group: kind === 'depthwise' ? channels : 1,
  };
}

/** A filter [height, width, in, out], or [height, width, channels, 1], as [out, in, height, width] or [channels, 1, height, width]. */
function filterOf({ kind, filterShape }: ConvUnit, kernel: Float32Array) {
  const [height, width, inputs, outputs] = filterShape;
  const [outer, inner] = kind === 'conv' ? [outputs, inputs] : [inputs, 1];
  const values = new Float32Array(kernel.length);
  const area = height * width;
  for (let position = 0; position < area; position++) {
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const from = position * inputs * outputs + (kind === 'conv' ? i * outputs + o : o);
        values[(o * inner + i) * area + position] = kernel[from] ?? NaN;
      }
    }
  }
  return { dims: [outer, inner, height, width], values };
}

// The messages of the format that a classifier needs; the numbers are those of onnx.proto (github.com/onnx/onnx).

/** NodeProto. */
function node(
  opType: string,
  name: string,
  inputs: readonly string[],
  output: string,
  attributes: Attributes,
): Uint8Array {
  return message(
    ...inputs.map((input) => field(1, input)),
    field(2, output),
    field(3, name),
    field(4, opType),
    ...Object.entries(attributes).map(([key, value]) => field(5, attribute(key, value))),
  );
}

/** AttributeProto. */
function attribute(name: string, value: number | readonly number[]): Uint8Array {
  return typeof value === 'number'
    ? message(field(1, name), field(3, value), field(20, INT))
    : message(field(1, name), ...value.map((each) => field(8, each)), field(20, INTS));
}

/** TensorProto. Its floats are little-endian, as in memory on every machine that Node runs on but s390x. */
function tensor(name: string, dims: readonly number[], values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return message(...dims.map((length) => field(1, length)), field(2, FLOAT), field(8, name), field(9, bytes));
}

/** ValueInfoProto of a float tensor for any number of images. */
function valueInfo(name: string, shape: readonly number[]): Uint8Array {
  // Dimension: its length, or its name.
  const dimensions = [field(2, 'batch'), ...shape.map((length) => field(1, length))];
  const tensorShape = message(...dimensions.map((each) => field(1, each)));
  const tensorType = message(field(1, FLOAT), field(2, tensorShape));
  return message(field(1, name), field(2, message(field(1, tensorType))));
}

/** StringStringEntryProto. */
function entry(key: string, value: string): Uint8Array {
  return message(field(1, key), field(2, value));
}

function message(...fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields);
}

/** A field of a protocol buffers message (protobuf.dev/programming-guides/encoding): a whole number, or text and bytes with their length. */
function field(number: number, value: number | string | Uint8Array): Uint8Array {
  if (typeof value === 'number') return Buffer.concat([varint(number << 3), varint(value)]);
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

/** A whole number of at least 0: seven bits a byte, the lowest first, with a flag where more follow. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; bytes.length === 0 || rest > 0; rest = Math.floor(rest / 128)) {
    bytes.push((rest % 128) | (rest >= 128 ? 128 : 0));
  }
  return Uint8Array.from(bytes);
}
