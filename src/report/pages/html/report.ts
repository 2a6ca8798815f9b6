import type { CompareDocument } from '../../../runs/documents.js';
import { differenceSvg } from '../../charts/differences.js';
import { svgChart } from '../../charts/svg.js';
import { type ArmCurves, armSteps, epochCharts, stepCharts } from '../../charts/training.js';
import { counted } from '../../text/numbers.js';
import { classesSection } from './classes.js';
import { html, STYLE, trusted } from './html.js';
import { type ArmPredictions, type Picture, picturesSection } from './pictures.js';
import { armsSection, differencesSection, runsSection, verdictSection } from './results.js';
import { setupSection } from './setup.js';

/** What a page shows beside the document. */
export interface PageParts {
  readonly curves: readonly ArmCurves[];
  readonly charts: readonly NamedChart[];
  /** On one list of validation images in all runs; empty where there is none. */
  readonly predictions: readonly ArmPredictions[];
  readonly pictures: { readonly won: readonly Picture[]; readonly lost: readonly Picture[] };
}

/** A comparison as one HTML file that needs nothing from elsewhere: no scripts, no network. */
export function htmlReport(
  document: CompareDocument,
  { curves, charts, predictions, pictures }: PageParts,
): string {
  const title = document.arms.map(({ policy }) => policy).join(' against ');
  const seeds = document.arms
    .map(({ policy, runs }) => `${policy} ${counted(runs.length, 'seed')}`)
    .join(', ');
  const named = document.dataset?.['classes'];
  const classes = Array.isArray(named) ? named.map(String) : [];
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        />
        <title>${title}</title>
        <style>
          ${trusted(STYLE)}
        </style>
      </head>
      <body>
        <main>
          <h1>${title}</h1>
          <p class="soft">A comparison by onecycle: ${seeds}.</p>
          ${verdictSection(document)}
          <div class="grid">
            ${charts.map(
              ({ svg, caption, full = false }) =>
                html`<figure class="${full ? 'full' : ''}" aria-label="${caption}">${trusted(svg)}</figure> `,
            )}
          </div>
          ${armsSection(document, curves)}${differencesSection(document)}${classesSection(predictions, classes)}${picturesSection(pictures, classes)}${runsSection(document)}${setupSection(document)}
        </main>
      </body>
    </html> `.markup;
}

/** A chart of the comparison, named as its files are. */
export interface NamedChart {
  readonly name: string;
  /** What it shows, in a sentence for those who cannot see it. */
  readonly caption: string;
  readonly svg: string;
  /** As wide as the page. */
  readonly full?: boolean;
}

const SIZE = { width: 640, height: 400 };

/** All charts of a comparison as standalone SVG documents. */
export function comparisonCharts(
  { differences }: CompareDocument,
  curves: readonly ArmCurves[],
): NamedChart[] {
  const epochs = epochCharts(curves);
  const steps = stepCharts(armSteps(curves));
  const specs = {
    accuracy: epochs.accuracy,
    'valid-loss': epochs.loss,
    'learning-rate': steps.learningRate,
    momentum: steps.momentum,
  };
  const charts = Object.entries(specs).map(([name, spec]) => {
    return { name, caption: spec.title, svg: svgChart(spec, SIZE) };
  });
  const svg = differenceSvg(differences);
  const caption = 'Differences of the final accuracy: each seed, their mean, and its 95% intervals';
  return svg === null ? charts : [{ name: 'difference', caption, svg, full: true }, ...charts];
}
