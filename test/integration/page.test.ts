import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Chromium, type Tab, WITHOUT_BROWSER } from './chromium.js';
import { runCli } from './run-cli.js';
import { type RecordedPrediction, recordedPredictions, trainSmall } from './small-run.js';
import { oddShapes, tinyImages } from './tiny-images.js';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

const runOf = (set: string) => join(root, 'runs', set, 'fixed-seed0');
/** Under `root`: a run's own model/, and an export of another's. */
const [IN_RUN, EXPORTED] = ['runs/thumbnails/fixed-seed0/model', 'web'];

let root: string;
let server: Server;
let origin: string;
let browser: Chromium;

describe.skipIf(WITHOUT_BROWSER)('the page of a model', () => {
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'onecycle-page-'));
    for (const [set, side] of Object.entries({ thumbnails: 32, photographs: 90 })) {
      await tinyImages(join(root, set), { side });
      await oddShapes(join(root, set), { side });
      // One of them with batch norm in its layers, as a page meets it.
      const mode = set === 'photographs' ? 'train' : 'fold';
      await trainSmall(join(root, set), join(root, 'runs', set), '--batch-norm', mode);
    }
    const { code, stderr } = await runCli(['export', runOf('photographs'), '--to', join(root, EXPORTED)]);
    expect(code, stderr).toBe(0);
    server = createServer((request, response) => {
      const path = join(root, normalize(new URL(request.url ?? '/', 'http://x').pathname));
      readFile(path).then(
        (bytes) =>
          response
            .writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' })
            .end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await Chromium.start('--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream');
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    await rm(root, { recursive: true, force: true });
  });

  const statusIs = (pattern: RegExp) => `${pattern}.test(document.getElementById('status').textContent)`;

  /** Opens a folder's page and waits until its status says so. */
  async function open(folder: string, status: RegExp): Promise<Tab> {
    const page = await browser.open(`${origin}/${folder}/index.html`);
    await page.until(statusIs(status));
    return page;
  }

  const SHOWN = `[...document.querySelectorAll('#classes li')].map((item) => ({
    label: item.querySelector('span').textContent,
    probability: Number(item.dataset.probability),
    percent: item.querySelector('output').textContent,
  }))`;
  const shown = (page: Tab) =>
    page.evaluate(SHOWN) as Promise<{ label: string; probability: number; percent: string }[]>;

  const LISTED = `document.querySelectorAll('#classes li').length > 0`;

  /** What the page says about an image that was chosen. */
  async function chosen(page: Tab, file: string) {
    // The list is emptied, so that what is read then belongs to this image.
    await page.evaluate(`document.getElementById('classes').replaceChildren()`);
    await page.choose('#file', file);
    await page.until(LISTED);
    return shown(page);
  }

  const CLASSES = ['ants', 'bees'];
  /** Five of each class. */
  const ten = (set: string): RecordedPrediction[] =>
    recordedPredictions(runOf(set)).filter(({ image }) => !image.endsWith('5.png'));

  test.each([
    ["a run's own model/, on thumbnails", 'thumbnails', IN_RUN],
    ['an export, on photographs', 'photographs', EXPORTED],
  ])('says of ten validation images what predictions.jsonl says: %s', async (_, set, folder) => {
    const page = await open(folder, /^Ready: 2 classes/);
    expect(ten(set)).toHaveLength(10);
    for (const { image, best } of ten(set)) {
      const found = await chosen(page, join(root, set, image));
      expect(found.map(({ label }) => label).sort()).toEqual(CLASSES);
      const same = found.find(({ label }) => label === CLASSES[best.predicted])!;
      // The decoder shrinks a photograph that lies on its side before it turns it, the page afterwards.
      const tolerance = set === 'photographs' && image.endsWith('.jpg') ? 0.01 : 1e-4;
      expect(Math.abs(same.probability - best.probability), image).toBeLessThan(tolerance);
      expect(found[0]!.percent).toBe(`${(100 * found[0]!.probability).toFixed(1)}%`);
      expect(found[0]!.probability).toBeGreaterThanOrEqual(found[1]!.probability);
    }
    expect(page.troubles).toEqual([]);
  });

  test('takes an image that is dropped on it, and says of another file that it cannot be read', async () => {
    const page = await open(IN_RUN, /^Ready/);
    const drop = (name: string, body: string) =>
      page.evaluate(`(async () => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([${body}], ${JSON.stringify(name)}));
        document.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true }));
      })()`);
    const [{ image, best }] = ten('thumbnails') as [RecordedPrediction];
    const pixels = (await readFile(join(root, 'thumbnails', image))).toString('base64');
    await drop('ant.png', `Uint8Array.from(atob('${pixels}'), (char) => char.charCodeAt(0))`);
    await page.until(statusIs(/^ant\.png$/));
    const same = (await shown(page)).find(({ label }) => label === CLASSES[best.predicted])!;
    expect(Math.abs(same.probability - best.probability)).toBeLessThan(1e-4);
    await drop('notes.txt', `'no image'`);
    await page.until(statusIs(/^notes\.txt cannot be read/));
    expect(await shown(page)).toEqual([]);
  });

  test('classifies what the camera sees, until it is stopped', async () => {
    const page = await open(EXPORTED, /^Ready/);
    await page.evaluate(`document.getElementById('camera').click()`);
    await page.until(LISTED);
    await page.evaluate(`document.getElementById('camera').click()`);
    await page.until(`document.getElementById('video').hidden`);
    const [first, second] = await shown(page);
    expect(first!.probability + second!.probability).toBeCloseTo(1, 5);
    expect(page.troubles).toEqual([]);
  });

  test('opened as a file, asks for its folder and reads all from there', async () => {
    const page = await browser.open(`file://${join(root, EXPORTED, 'index.html')}`);
    await page.until(statusIs(/Choose the folder that this page lies in/));
    await page.choose('#folder', join(root, EXPORTED));
    await page.until(statusIs(/^Ready: 2 classes/));
    for (const { image, best } of ten('photographs').filter(({ image }) => image.endsWith('.png'))) {
      const found = await chosen(page, join(root, 'photographs', image));
      const same = found.find(({ label }) => label === CLASSES[best.predicted])!;
      expect(Math.abs(same.probability - best.probability), image).toBeLessThan(1e-4);
    }
  });

  test('without TensorFlow.js beside it, says how to get it', async () => {
    await rename(join(root, EXPORTED, 'tfjs'), join(root, EXPORTED, 'moved'));
    const page = await open(EXPORTED, /tfjs\/\S+ is missing beside this page/);
    const status = await page.evaluate(`document.getElementById('status').textContent`);
    expect(status).toContain('"onecycle export RUN --to DIR" writes a folder that has it');
    expect(await page.evaluate(`document.getElementById('drop').hidden`)).toBe(true);
  });
});
