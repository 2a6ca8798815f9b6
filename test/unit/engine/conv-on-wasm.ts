import { panelColumns, writeGeometry } from '../../../src/engine/shapes.js';
import {
  type ConvCase,
  type ConvInputs,
  type ConvResults,
  filterShape,
  hasInputGradient,
} from './conv-cases.js';
import type { GuardedHeap, Placed } from './guarded-heap.js';

/** Where everything lies that both passes work on. */
type Places = Readonly<Record<Exclude<keyof ConvInputs, 'z'> | 'x' | 'y' | 'zeros', Placed>>;

interface Passes {
  forward(): void;
  backward(): void;
}

/**
 * Both passes of a convolution by the kernels. Throws where they write what is not theirs.
 * @param handOn whether to ask for the input's gradient
 */
export function convOnWasm(
  guarded: GuardedHeap,
  shape: ConvCase,
  inputs: ConvInputs,
  { handOn = hasInputGradient(shape) } = {},
): ConvResults {
  const [low, high] = boundsOf(shape.before);
  const columns = panelColumns(shape.filters);
  const places: Places = {
    x: guarded.put(inputs.z.map((value) => Math.min(Math.max(value, low), high))),
    filter: guarded.put(inputs.filter),
    bias: guarded.put([...inputs.bias, ...new Float32Array(columns - shape.filters)]),
    dy: guarded.put(inputs.dy),
    dFilter: guarded.put(inputs.dFilter),
    dBias: guarded.put(inputs.dBias),
    y: guarded.room(inputs.dy.length),
    zeros: guarded.put(new Float32Array(shape.side * panelColumns(shape.channels))),
  };
  const { x, y, dy, filter, bias, zeros } = places;
  const passes = shape.kind === 'conv' ? fullPasses : depthwisePasses;
  const { forward, backward } = passes(guarded, shape, places, handOn);
  keeping([x, filter, bias, zeros], forward);
  const result = y.values.slice();
  if (shape.after) guarded.kernels.maskInPlace(dy.address, y.address, y.values.length, ...boundsOf(true));
  keeping([y, dy, filter, zeros, ...(handOn ? [] : [x])], backward);
  guarded.expectIntact();
  return {
    y: result,
    dFilter: places.dFilter.values.slice(),
    dBias: places.dBias.values.slice(),
    dz: handOn ? x.values.slice() : undefined,
  };
}

function fullPasses(guarded: GuardedHeap, shape: ConvCase, places: Places, handOn: boolean): Passes {
  const { kernels } = guarded;
  const { images, filters } = shape;
  const { x, y, dy, filter, bias, dFilter, dBias, zeros } = places;
  const geometry = geometryOf(guarded, shape);
  const [height, width, channels] = filterShape(shape);
  const depth = height * width * channels;
  const panels = guarded.room(depth * panelColumns(filters)).address;
  const transposed = handOn ? guarded.room(filters * panelColumns(depth)).address : 0;
  const scratch = guarded.room(kernels.convScratchBytes(geometry) / 4).address;
  const out = boundsOf(shape.after);
  return {
    forward() {
      kernels.packFilter(geometry, filter.address, panels);
      kernels.convForward(geometry, images, x.address, panels, bias.address, y.address, scratch, ...out);
    },
    backward() {
      if (transposed !== 0) kernels.packFilterTransposed(geometry, filter.address, transposed);
      kernels.convBackward(
        geometry,
        images,
        x.address,
        dy.address,
        transposed,
        dFilter.address,
        dBias.address,
        zeros.address,
        scratch,
        ...boundsOf(shape.before),
      );
    },
  };
}

function depthwisePasses(guarded: GuardedHeap, shape: ConvCase, places: Places, handOn: boolean): Passes {
  const { kernels } = guarded;
  const { images } = shape;
  const { x, y, dy, filter, bias, dFilter, dBias, zeros } = places;
  const geometry = geometryOf(guarded, shape);
  const out = boundsOf(shape.after);
  return {
    forward: () =>
      kernels.depthwiseForward(
        geometry,
        images,
        x.address,
        filter.address,
        bias.address,
        y.address,
        zeros.address,
        ...out,
      ),
    backward: () =>
      kernels.depthwiseBackward(
        geometry,
        images,
        x.address,
        dy.address,
        filter.address,
        dFilter.address,
        dBias.address,
        zeros.address,
        handOn,
        ...boundsOf(shape.before),
      ),
  };
}

function geometryOf({ heap }: GuardedHeap, { side, channels, filters, window, stride }: ConvCase): number {
  return writeGeometry(heap, { side, inChannels: channels, outChannels: filters, window, stride });
}

/** The bounds of ReLU6, or of no activation. */
function boundsOf(relu6: boolean): readonly [number, number] {
  return relu6 ? [0, 6] : [-Infinity, Infinity];
}

function keeping(placed: readonly Placed[], work: () => void): void {
  const before = placed.map(({ values }) => values.slice());
  work();
  placed.forEach(({ values }, i) => {
    if (!values.every((value, at) => Object.is(value, before[i]?.[at])))
      throw new Error(`buffer ${i} was overwritten`);
  });
}
