import type * as core from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import type * as wasm from '@tensorflow/tfjs-backend-wasm';
import type { Preprocessing } from '../runs/documents.js';

// The script of a model's index.html. It runs in a browser, with TensorFlow.js as the global `tf`.

declare const tf: typeof core & typeof layers & { readonly wasm: typeof wasm };

const LIBRARIES = ['tf-core', 'tf-layers', 'tf-backend-wasm'].map((name) => `tfjs/${name}.es2017.min.js`);
/** Classes that are listed. */
const LISTED = 10;

const status = element('status', HTMLElement);
const folder = element('folder', HTMLInputElement);
const drop = element('drop', HTMLElement);
const seen = element('seen', HTMLCanvasElement);
const video = element('video', HTMLVideoElement);
const file = element('file', HTMLInputElement);
const camera = element('camera', HTMLButtonElement);
const list = element('classes', HTMLOListElement);

try {
  const { model, rules } = await load();
  const classify: Classify = async (picture, jpeg) =>
    show(await probabilities(picture, jpeg, model, rules), rules.classes);
  takeFiles(classify);
  takeCamera(classify);
  drop.hidden = false;
  status.textContent = `Ready: ${rules.classes.length} classes.`;
} catch (error) {
  status.textContent = messageOf(error);
}

type Classify = (picture: ImageBitmap, jpeg: boolean) => Promise<void>;

async function load() {
  const address = await addresses();
  for (const name of LIBRARIES) await loadLibrary(address(name));
  tf.wasm.setWasmPaths({
    'tfjs-backend-wasm.wasm': address('tfjs/tfjs-backend-wasm.wasm'),
    'tfjs-backend-wasm-simd.wasm': address('tfjs/tfjs-backend-wasm-simd.wasm'),
    // Its threads need a page that is isolated from others.
    'tfjs-backend-wasm-threaded-simd.wasm': '',
  });
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  await tf.setBackend('wasm');
  const response = await fetch(address('preprocessing.json'));
  if (!response.ok) throw missing('preprocessing.json');
  const rules = (await response.json()) as Preprocessing;
  const weightUrlConverter = (name: string) => Promise.resolve(address(name));
  return { rules, model: await tf.loadLayersModel(address('model.json'), { weightUrlConverter }) };
}

/** Where the files beside this page are read. A page that was opened as a file may only read what its user chooses. */
async function addresses(): Promise<(name: string) => string> {
  if (location.protocol !== 'file:') return (name) => `./${name}`;
  folder.hidden = false;
  status.textContent =
    'A page that is opened as a file may not read the model beside it by itself. Choose the folder that this page lies in:';
  await new Promise((resolve) => (folder.onchange = resolve));
  folder.hidden = true;
  status.textContent = 'Loading the model.';
  const chosen = [...(folder.files ?? [])].map((each): [string, string] => {
    const type = each.name.endsWith('.wasm') ? 'application/wasm' : each.type;
    return [each.name, URL.createObjectURL(new Blob([each], { type }))];
  });
  const urls = new Map(chosen);
  return (name) => {
    const url = urls.get(name.replace(/^.*\//, ''));
    if (url === undefined) throw missing(name);
    return url;
  };
}

function loadLibrary(address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = address;
    script.onload = () => resolve();
    script.onerror = () => reject(missing(address));
    document.head.append(script);
  });
}

function missing(name: string): Error {
  return new Error(
    `${name} is missing beside this page: "onecycle export RUN --to DIR" writes a folder that has it.`,
  );
}

/** What the network says about a picture, by preprocessing.json's rules, in their order. */
async function probabilities(
  picture: ImageBitmap,
  jpeg: boolean,
  model: layers.LayersModel,
  rules: Preprocessing,
): Promise<Float32Array> {
  const { crop, keep, resize, scale, shrink } = rules;
  const pixels = await pixelsOf(picture, jpeg, rules);
  const output = tf.tidy(() => {
    const whole = Math.min(picture.width, picture.height);
    const shrunk = whole > shrink.shortSide;
    const scaled = (side: number) => Math.round((side * shrink.shortSide) / whole);
    const large = tf.browser.fromPixels(pixels);
    const image = shrunk ? lanczosShrunk(large, scaled(picture.height), scaled(picture.width)) : large;
    const [height, width] = image.shape;
    const short = Math.min(height, width);
    const side = shrunk ? Math.max(1, Math.round(crop.shareOfShortSide.shrunk * short)) : short;
    // First the ends of a very long image go, then all beside the square.
    const begin = (length: number) => {
      const kept = Math.min(length, keep.longSideOverShort * short);
      return Math.floor((length - kept) / 2) + Math.floor((kept - side) / 2);
    };
    const square = tf.slice(image, [begin(height), begin(width), 0], [side, side, 3]);
    const resized = tf.image.resizeBilinear(square, [resize.height, resize.width], resize.alignCorners);
    const input = tf.add(tf.mul(resized, scale.multiply), scale.add);
    return model.predict(tf.expandDims(input, 0)) as core.Tensor;
  });
  try {
    return (await output.data()) as Float32Array;
  } finally {
    output.dispose();
  }
}

/** The pixels of a picture on the background; those of a very large one by the browser's own shrinking, down to what Lanczos takes. */
async function pixelsOf(
  picture: ImageBitmap,
  jpeg: boolean,
  { shrink, decode }: Preprocessing,
): Promise<ImageData> {
  const factor = Math.min(picture.width, picture.height) / shrink.shortSide;
  // As the decoder does: a JPEG is read at an eighth, a quarter or a half, of others whole blocks of pixels are averaged.
  const block = jpeg
    ? ([8, 4, 2].find((size) => factor >= 1.5 * size) ?? 1)
    : Math.max(1, Math.floor(factor / 2));
  const [width, height] = [Math.ceil(picture.width / block), Math.ceil(picture.height / block)];
  const small =
    block > 1
      ? await createImageBitmap(picture, { resizeWidth: width, resizeHeight: height, resizeQuality: 'high' })
      : picture;
  seen.width = width;
  seen.height = height;
  seen.hidden = false;
  const context = seen.getContext('2d', { willReadFrequently: true });
  if (context === null) throw new Error('This browser gives no canvas to draw on.');
  context.fillStyle = decode.background;
  context.fillRect(0, 0, width, height);
  context.drawImage(small, 0, 0);
  return context.getImageData(0, 0, width, height);
}

/**
 * Shrinks [h, w, 3] to [height, width, 3], the columns first, with Lanczos's kernel and whole levels in between: to the level what libvips makes of an
 * image that is stored upright; others it turns afterwards.
 */
function lanczosShrunk(image: core.Tensor3D, height: number, width: number): core.Tensor3D {
  const [h, w] = image.shape;
  const levels = (x: core.Tensor) => tf.clipByValue(tf.floor(tf.add(x, 0.5)), 0, 255);
  const rows = levels(tf.matMul(lanczos(h, height), tf.reshape(tf.cast(image, 'float32'), [h, w * 3])));
  const turned = tf.reshape(tf.transpose(tf.reshape(rows, [height, w, 3]), [1, 0, 2]), [w, height * 3]);
  const columns = levels(tf.matMul(lanczos(w, width), turned));
  return tf.transpose(tf.reshape(columns, [width, height, 3]), [1, 0, 2]) as core.Tensor3D;
}

/** What each of `from` samples counts in each of `to`, [to, from]: Lanczos with three lobes. Positions are 64ths of a sample, weights 4096ths. */
function lanczos(from: number, to: number): core.Tensor2D {
  const factor = from / to;
  const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
  const reach = Math.ceil(3 * factor);
  const weights = new Float32Array(to * from);
  // Summed up, for the rounding of positions that lie between two 64ths.
  let position = 0.5 * factor - 0.5;
  for (let i = 0; i < to; i++, position += factor) {
    const centre = Math.round(64 * position) / 64;
    const first = Math.floor(centre) - reach;
    const taps = Array.from({ length: 2 * reach + 2 }, (_, k) => {
      const x = (first + k - centre) / factor;
      return Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0;
    });
    const sum = taps.reduce((total, tap) => total + tap, 0);
    taps.forEach((tap, k) => {
      const at = i * from + Math.min(from - 1, Math.max(0, first + k));
      weights[at] = (weights[at] ?? 0) + Math.trunc((4096 * tap) / sum) / 4096;
    });
  }
  return tf.tensor2d(weights, [to, from]);
}

function show(found: Float32Array, classes: readonly string[]): void {
  const ranked = classes.map((name, i) => ({ name, probability: found[i] ?? 0 }));
  ranked.sort((a, b) => b.probability - a.probability);
  list.replaceChildren(
    ...ranked.slice(0, LISTED).map(({ name, probability }) => {
      const item = document.createElement('li');
      item.dataset['probability'] = String(probability);
      const label = document.createElement('span');
      label.textContent = name;
      const meter = document.createElement('meter');
      meter.value = probability;
      // The number beside it says the same.
      meter.ariaHidden = 'true';
      const percent = document.createElement('output');
      percent.textContent = `${(100 * probability).toFixed(1)}%`;
      item.append(label, meter, percent);
      return item;
    }),
  );
}

/** Classifies what is chosen or dropped. */
function takeFiles(classify: Classify): void {
  const take = async (chosen: File | undefined) => {
    if (chosen === undefined) return;
    try {
      const picture = await createImageBitmap(chosen);
      await classify(picture, chosen.type === 'image/jpeg');
      picture.close();
      status.textContent = chosen.name;
    } catch (error) {
      list.replaceChildren();
      status.textContent = `${chosen.name} cannot be read: ${messageOf(error)}`;
    }
  };
  file.onchange = () => void take(file.files?.[0]);
  document.ondragover = (event) => {
    event.preventDefault();
    drop.classList.add('over');
  };
  document.ondragleave = () => drop.classList.remove('over');
  document.ondrop = (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    void take(event.dataTransfer?.files[0]);
  };
}

/** Classifies what the camera sees, picture after picture, until it is turned off. */
function takeCamera(classify: Classify): void {
  let stream: MediaStream | undefined;
  const stop = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = undefined;
    video.hidden = true;
    camera.textContent = 'Use the camera';
  };
  camera.onclick = async () => {
    if (stream !== undefined) return stop();
    try {
      const own = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
      stream = own;
      video.srcObject = own;
      video.hidden = false;
      camera.textContent = 'Stop the camera';
      status.textContent = 'Camera';
      await video.play();
      while (stream === own) {
        const picture = await createImageBitmap(video);
        await classify(picture, false);
        picture.close();
        seen.hidden = true;
        await new Promise(requestAnimationFrame);
      }
    } catch (error) {
      stop();
      status.textContent = `The camera cannot be used: ${messageOf(error)}`;
    }
  };
}

function element<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`);
  return found;
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
