import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackRuns } from './recorded-fixture.js';
import { runCli, scratchFolder } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

/** Debian's. Where there is none the page is not opened, but a CI has one. */
const CHROMIUM = '/usr/bin/chromium';

const report = async (cwd: string, ...args: string[]) => {
  const { code, stderr } = await runCli([...args, '--report', 'page'], { cwd });
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(new RegExp(`^Results  (.*, )?${join('page', 'report.html')}$`, 'm'));
  return readFileSync(join(cwd, 'page', 'report.html'), 'utf8');
};
const pictures = (page: string) => [...page.matchAll(/<img src="data:image\/(?:png|jpeg);base64,/gu)].length;

describe('show --report', () => {
  test('of a run: one file that needs nothing else, and its charts', async () => {
    const cwd = await unpackRuns();
    const page = await report(cwd, 'show', 'runs/fixed-seed0');
    const charts = ['accuracy', 'learning-rate', 'loss', 'momentum'];
    expect(readdirSync(join(cwd, 'page')).sort()).toEqual(
      [...charts.flatMap((name) => [`${name}.png`, `${name}.svg`]), 'report.html'].sort(),
    );
    expect(page).not.toMatch(/<script|<link|(?:src|href)="(?!data:)/u);
    expect(page.replaceAll('http://www.w3.org/', '')).not.toMatch(/https?:/u);
    expect(page).toContain('<h1>fixed on images, seed 0</h1>');
    // All ten validation images.
    expect(pictures(page)).toBe(10);
  });

  test('shows no picture but of the files that were recorded', async () => {
    const cwd = await unpackRuns();
    const dataset = JSON.parse(readFileSync(join(cwd, 'runs/fixed-seed0/dataset.json'), 'utf8')) as {
      files: { valid: { path: string }[] };
    };
    const [first, second] = dataset.files.valid;
    writeFileSync(join(cwd, 'images', first!.path), readFileSync(join(cwd, 'images', second!.path)));
    const page = await report(cwd, 'show', 'runs/fixed-seed0');
    expect(pictures(page)).toBe(9);
    expect(page.match(/not found here/gu)).toHaveLength(1);
    const elsewhere = await unpackRuns();
    renameSync(join(elsewhere, 'images'), join(elsewhere, 'gone'));
    expect(pictures(await report(elsewhere, 'show', 'runs/fixed-seed0'))).toBe(0);
  });

  test('of a range test', async () => {
    const cwd = await unpackRuns();
    const page = await report(cwd, 'show', 'runs/find-lr-seed0');
    expect(readdirSync(join(cwd, 'page')).sort()).toEqual(['lr-curve.png', 'lr-curve.svg', 'report.html']);
    expect(page).toContain('<h1>Learning rates for images</h1>');
  });

  test.skipIf(!existsSync(CHROMIUM) && process.env['CI'] === undefined)(
    'opens in a browser: nothing is cut off at 375 pixels, and letters can be read',
    async () => {
      const cwd = await unpackRuns();
      await report(cwd, 'show', 'runs/fixed-seed0');
      const [narrow, wide] = [await measured(cwd, 375), await measured(cwd, 1280)];
      for (const { width, scrollWidth, cut } of [narrow, wide]) {
        expect(scrollWidth).toBeLessThanOrEqual(width);
        expect(cut).toEqual([]);
      }
      expect(narrow.letters).toBeGreaterThanOrEqual(9);
      expect(wide.letters).toBeGreaterThanOrEqual(9);
      // A chart in each of its sizes, never both.
      expect([narrow.charts, wide.charts]).toEqual([4, 4]);
      await report(cwd, 'show', 'runs/find-lr-seed0');
      expect(await measured(cwd, 375)).toMatchObject({ cut: [], charts: 1 });
      const page = await report(cwd, 'compare', 'runs');
      expect(page).toMatch(
        /<dt>command<\/dt>\s*<dd><code>onecycle compare runs --report page<\/code><\/dd>/u,
      );
      // The difference, accuracy, both losses, rate and momentum.
      expect(await measured(cwd, 375)).toMatchObject({ cut: [], charts: 6 });
      expect(await measured(cwd, 1280)).toMatchObject({ cut: [], charts: 6 });
    },
    60_000,
  );
});

/** What a browser makes of the page in a window of this width: measured from outside, for the page itself allows no scripts. */
async function measured(cwd: string, width: number) {
  const script = `
    const { document: page } = frame.contentWindow;
    const seen = [...page.querySelectorAll('figure svg')].filter((svg) => svg.getBoundingClientRect().width > 0);
    const letters = seen.flatMap((svg) => [...svg.querySelectorAll('text')].map((text) => text.getBoundingClientRect().height));
    const cut = [...page.querySelectorAll('.wide, .matrix, figure')]
      .filter((box) => box.scrollWidth > box.clientWidth + 1)
      .map((box) => box.textContent.slice(0, 80));
    document.title = JSON.stringify({
      width: frame.contentWindow.innerWidth, scrollWidth: page.documentElement.scrollWidth,
      letters: Math.min(...letters), charts: seen.length, cut,
    });`;
  const outer = `<title></title><iframe id="frame" src="page/report.html" style="width:${width}px;height:900px;border:0" onload="setTimeout(() => {${script.replaceAll('"', '&quot;')}}, 200)"></iframe>`;
  writeFileSync(join(cwd, 'outer.html'), `<!doctype html><body style="margin:0">${outer}`);
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--allow-file-access-from-files'];
  const { stdout } = await execa(CHROMIUM, [
    ...flags,
    `--window-size=${width + 100},1000`,
    '--virtual-time-budget=5000',
    '--dump-dom',
    `file://${join(cwd, 'outer.html')}`,
  ]);
  const title = /<title>(.*?)<\/title>/u.exec(stdout)?.[1] ?? '';
  return JSON.parse(title) as {
    width: number;
    scrollWidth: number;
    letters: number;
    charts: number;
    cut: string[];
  };
}

test('train and find-lr write it too, with the command that was given', async () => {
  const cwd = await scratchFolder();
  await tinyImages(join(cwd, 'my images'));
  const small = [
    '--data',
    'my images',
    '--image-size',
    '32',
    '--trainable',
    'head',
    '--batch-size',
    '12',
    '--quiet',
  ];
  const trained = await runCli(['train', ...small, '--epochs', '2', '--report', 'page'], { cwd });
  expect(trained.code, trained.stderr).toBe(0);
  const page = readFileSync(join(cwd, 'page', 'report.html'), 'utf8');
  expect(page).toContain(
    'onecycle train --data &#39;my images&#39; --image-size 32 --trainable head --batch-size 12 --quiet --epochs 2 --report page',
  );
  expect(pictures(page)).toBe(12);
  const environment = JSON.parse(
    readFileSync(join(cwd, 'runs/1cycle-seed0/environment.json'), 'utf8'),
  ) as object;
  expect(environment).toMatchObject({
    commandLine: expect.stringContaining("--data 'my images'"),
    startedAt: expect.stringMatching(/^20.*Z$/u),
  });
  const found = await runCli(['find-lr', ...small, '--steps', '8', '--seeds', '1', '--report', 'rates'], {
    cwd,
  });
  expect(found.code, found.stderr).toBe(0);
  expect(readFileSync(join(cwd, 'rates', 'report.html'), 'utf8')).toContain('Learning rates for my images');
});

test.each([['train'], ['find-lr'], ['compare']])(
  '%s refuses a place that will not do before anything is read',
  async (command) => {
    const cwd = await scratchFolder();
    writeFileSync(join(cwd, 'file'), '');
    for (const [place, message] of [
      ['page.html', /Expected a folder for --report/u],
      ['runs', /--report and --out are both runs/u],
      ['file/page', /a part of that path is a file.*Give a folder with --report/u],
    ] as const) {
      const { code, stderr } = await runCli([command, '--data', 'nothing', '--report', place], { cwd });
      expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
    }
  },
);
