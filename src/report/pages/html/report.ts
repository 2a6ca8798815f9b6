import type { NamedChart } from '../../charts/compare-charts.js';
import type { CompareView } from '../../compare-view.js';
import { counted } from '../../text/numbers.js';
import { classesSection } from './classes.js';
import { html, STYLE, trusted } from './html.js';
import { type ArmPredictions, type Picture, picturesSection } from './pictures.js';
import { armsSection, differencesSection, runsSection, verdictSection } from './results.js';
import { setupSection, type SetupView } from './setup.js';

/** What a page shows beside the comparison itself. */
export interface HtmlReportView {
  readonly comparison: CompareView;
  readonly charts: readonly NamedChart[];
  readonly classes: readonly string[];
  /** On one list of validation images in all runs; empty where there is none. */
  readonly predictions: readonly ArmPredictions[];
  readonly pictures: { readonly won: readonly Picture[]; readonly lost: readonly Picture[] };
  readonly setup: SetupView;
}

/** A comparison as one HTML file that needs nothing from elsewhere: no scripts, no network. */
export function htmlReport({
  comparison,
  charts,
  classes,
  predictions,
  pictures,
  setup,
}: HtmlReportView): string {
  const title = comparison.arms.map(({ policy }) => policy).join(' against ');
  const seeds = comparison.arms
    .map(({ policy, runs }) => `${policy} ${counted(runs.length, 'seed')}`)
    .join(', ');
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
          ${verdictSection(comparison)}
          <div class="grid">
            ${charts.map(
              ({ svg, caption, full = false }) =>
                html`<figure class="${full ? 'full' : ''}" aria-label="${caption}">${trusted(svg)}</figure> `,
            )}
          </div>
          ${armsSection(comparison)}${differencesSection(comparison)}${classesSection(predictions, classes)}${picturesSection(pictures, classes)}${runsSection(comparison)}${setupSection(setup)}
        </main>
      </body>
    </html> `.markup;
}
