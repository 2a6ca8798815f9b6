import { readdirSync, readFileSync } from 'node:fs';
import { CENTRE, decodedShortSide, LONGEST } from '../data/images/crop.js';
import { UsageError } from '../errors.js';
import { saveLayersModel, type TrainedClassifier } from '../model/save.js';
import { type ExportFormat, type Preprocessing, SCHEMA_VERSION } from '../runs/documents.js';
import { documentText } from '../runs/json.js';

/** What the build puts there: the page's script for browsers, and TensorFlow.js as its packages carry it, with its licence. */
const BUILT = new URL('../../dist/export/', import.meta.url);

// Read at once: when a long training ends, another version may lie in their place.
const SCRIPT = readFileSync(new URL('page.browser.js', BUILT), 'utf8');

/** TensorFlow.js for the page, by its place beside it: 1.5 MB that are the same for every model. */
export const LIBRARY: Readonly<Record<string, Uint8Array>> = Object.fromEntries(
  readdirSync(new URL('tfjs/', BUILT)).map((name) => [
    `tfjs/${name}`,
    readFileSync(new URL(`tfjs/${name}`, BUILT)),
  ]),
);

/**
 * The files of a run's own model/ but for LIBRARY: the TFJS layers-model with labels.txt, preprocessing.json, and index.html,
 * a page that classifies images in a browser.
 */
export function modelFiles(
  classifier: TrainedClassifier,
): Record<string, string | Uint8Array> & { readonly 'weights.bin': Uint8Array } {
  return {
    ...saveLayersModel(classifier),
    'preprocessing.json': documentText(preprocessing(classifier)),
    'index.html': PAGE,
  };
}

/** How validation and `predict` bring an image to the network's input; see crop.ts and decode.ts. */
export function preprocessing({
  imageSize,
  classNames,
}: Pick<TrainedClassifier, 'imageSize' | 'classNames'>): Preprocessing {
  return {
    schemaVersion: SCHEMA_VERSION,
    input: { layout: 'NHWC', height: imageSize, width: imageSize, channels: 'RGB', type: 'float32' },
    decode: { orientation: 'EXIF', background: '#ffffff', colours: 'sRGB', bitsPerChannel: 8 },
    shrink: { shortSide: decodedShortSide(imageSize), method: 'lanczos3', enlarge: false },
    keep: { longSideOverShort: LONGEST, position: 'centre' },
    crop: { shape: 'square', position: 'centre', shareOfShortSide: { shrunk: CENTRE, notShrunk: 1 } },
    resize: { height: imageSize, width: imageSize, method: 'bilinear', alignCorners: true },
    scale: { multiply: 1 / 127.5, add: -1 },
    classes: classNames,
  };
}

/** Throws UsageError for a format that is not written, with the way to it. */
export function requireWrittenFormat(format: string, run: string): asserts format is ExportFormat {
  if (format !== 'keras' && format !== 'savedmodel') return;
  const [name, option, file] =
    format === 'keras'
      ? ['A Keras file', 'keras', 'model.h5']
      : ['A SavedModel', 'keras_saved_model', 'saved_model'];
  throw new UsageError(
    `--format ${format} is not written. ${name} can only be read back with TensorFlow for Python, which onecycle does not ` +
      'use, and so it could not be tested here. The converter of TensorFlow.js makes one of the tfjs export:\n' +
      `  onecycle export ${run} --to DIR --format tfjs\n` +
      '  pip install tensorflowjs\n' +
      `  tensorflowjs_converter --input_format tfjs_layers_model --output_format ${option} DIR/model.json ${file}`,
  );
}

/** The files of an export by their names in its folder. */
export async function exportFiles(
  classifier: TrainedClassifier,
  format: ExportFormat,
): Promise<Record<string, string | Uint8Array>> {
  const files = modelFiles(classifier);
  if (format === 'tfjs') return { ...files, ...LIBRARY };
  const { onnxModel } = await import('./onnx.js');
  return {
    'model.onnx': onnxModel(classifier, preprocessing(classifier)),
    'labels.txt': files['labels.txt'] ?? '',
    'preprocessing.json': files['preprocessing.json'] ?? '',
  };
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1f2328; --soft: #5b6470; --line: #c9d0d8; --ground: #f6f7f9; --card: #fff; --bar: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa4b0; --line: #3a424c; --ground: #15181c; --card: #1e2329; --bar: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 640px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 1.5rem; margin: 0 0 8px; }
.soft { color: var(--soft); font-size: .92rem; }
.drop { border: 2px dashed var(--line); border-radius: 10px; background: var(--card); padding: 20px; text-align: center; }
.drop.over { border-color: var(--bar); }
.drop canvas, .drop video { display: block; max-width: 100%; max-height: 320px; margin: 0 auto 12px; border-radius: 6px; }
input, button { font: inherit; max-width: 100%; }
button { padding: 6px 14px; border: 1px solid var(--line); border-radius: 6px; background: var(--ground); color: var(--ink); cursor: pointer; }
ol { list-style: none; margin: 20px 0; padding: 0; }
li { display: grid; grid-template-columns: minmax(6rem, 1fr) 2fr 4.5rem; gap: 12px; align-items: center; margin: 8px 0; }
li span { overflow-wrap: anywhere; }
li output { text-align: right; font-variant-numeric: tabular-nums; }
meter { width: 100%; height: 14px; }
[hidden] { display: none !important; }
`;

/** The same for every model: it reads what lies beside it, and loads nothing from elsewhere. */
export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self' blob: 'unsafe-inline' 'wasm-unsafe-eval'; connect-src 'self' blob:; img-src 'self' data:; style-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>Classify an image</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Classify an image</h1>
<p id="status" role="status">Loading the model.</p>
<input id="folder" type="file" webkitdirectory aria-label="The folder that this page lies in" hidden>
<div id="drop" class="drop" hidden>
<canvas id="seen" role="img" aria-label="The image that was classified" hidden></canvas>
<video id="video" playsinline muted hidden></video>
<p><label for="file">Drop an image here, or choose one:</label> <input id="file" type="file" accept="image/*"></p>
<p><button id="camera" type="button">Use the camera</button></p>
</div>
<ol id="classes" aria-label="Classes by probability"></ol>
<p class="soft">Everything is computed in this browser; no image leaves it.</p>
</main>
<script type="module">
${SCRIPT.replaceAll('</script', '<\\/script')}
</script>
</body>
</html>
`;
