import type { CompareDocument } from '../../../runs/documents.js';
import { type ChartSpec, chartInWords } from '../../charts/chart.js';
import { differenceSvg } from '../../charts/differences.js';
import { svgChart } from '../../charts/svg.js';
import { type ArmCurves, armSteps, epochCharts, rateChart, stepCharts } from '../../charts/training.js';
import { counted } from '../../text/numbers.js';
import { classesSection } from './classes.js';
import { html, type Html, htmlPage, trusted } from './html.js';
import {
  type ArmPredictions,
  type ErrorPicture,
  errorsSection,
  type Picture,
  picturesSection,
} from './pictures.js';
import { armsSection, differencesSection, ratesSection, runsSection, verdictSection } from './results.js';
import { headSection, type MadeBy, setupSection } from './setup.js';

/** What a page shows beside the document. */
export interface PageParts {
  /** The comparison itself, which may be of runs that others made. */
  readonly madeBy: MadeBy;
  readonly curves: readonly ArmCurves[];
  readonly charts: readonly NamedChart[];
  /** On one list of validation images in all runs; empty where there is none. */
  readonly predictions: readonly ArmPredictions[];
  readonly pictures: { readonly won: readonly Picture[]; readonly lost: readonly Picture[] };
  /** The most confident errors of all runs. */
  readonly errors: readonly ErrorPicture[];
}

/** A comparison as one HTML file that needs nothing from elsewhere: no scripts, no network. */
export function htmlReport(
  document: CompareDocument,
  { madeBy, curves, charts, predictions, pictures, errors }: PageParts,
): string {
  const title = document.arms.map(({ policy }) => policy).join(' against ');
  const named = document.dataset?.['classes'];
  const classes = Array.isArray(named) ? named.map(String) : [];
  return htmlPage(
    title,
    html`${headSection(document.config, document.dataset ?? {}, seedsText(document), madeBy)}
    ${verdictSection(document)} ${chartGrid(charts)}
    ${armsSection(document, curves)}${ratesSection(document)}${differencesSection(document)}${classesSection(predictions, classes)}${picturesSection(pictures, classes)}${errorsSection(errors, classes)}${runsSection(document)}${setupSection(document)}`,
  );
}

/** The seeds of the arms, by their number where they differ. */
function seedsText({ arms }: CompareDocument): string {
  const lists = arms.map(({ runs }) => runs.map(({ seed }) => seed).join(', '));
  const [first = ''] = lists;
  if (lists.every((list) => list === first)) {
    return `${arms[0]?.runs.length === 1 ? 'seed' : 'seeds'} ${first} for each arm`;
  }
  return arms.map(({ policy, runs }) => `${policy} ${counted(runs.length, 'seed')}`).join(', ');
}

/** Charts side by side as far as there is room, each with words for those who cannot see it. */
export function chartGrid(charts: readonly NamedChart[]): Html {
  return html`<div class="grid">
    ${charts.map(
      ({ svg, narrow, caption, full = false }) =>
        html`<figure class="${full ? 'full' : ''}" aria-label="${caption}">
          ${narrow === undefined ? null : html`<div class="narrow">${trusted(narrow)}</div>`}${trusted(svg)}
        </figure> `,
    )}
  </div>`;
}

/** A chart of a page, named as its files are. */
export interface NamedChart {
  readonly name: string;
  /** What it shows, in a sentence for those who cannot see it. */
  readonly caption: string;
  readonly svg: string;
  /** The same for a narrow screen, where the other's letters would be too small. */
  readonly narrow?: string;
  /** As wide as the page. */
  readonly full?: boolean;
}

const SIZE = { width: 640, height: 400 };
const FULL = { width: 1040, height: 440 };
const NARROW = { width: 340, height: 300 };
/** With room for a long legend. */
const NARROW_FULL = { width: 340, height: 440 };

/** A chart in both sizes, with words that say what it shows. */
export function drawnChart(name: string, spec: ChartSpec, full = false): NamedChart {
  return {
    name,
    caption: chartInWords(spec),
    svg: svgChart(spec, full ? FULL : SIZE),
    narrow: svgChart(spec, full ? NARROW_FULL : NARROW),
    full,
  };
}

/** All charts of a comparison as standalone SVG documents. */
export function comparisonCharts(
  { arms, differences, config: { metric } }: CompareDocument,
  curves: readonly ArmCurves[],
): NamedChart[] {
  const epochs = epochCharts(curves, metric);
  const steps = stepCharts(armSteps(curves));
  const specs = {
    accuracy: epochs.accuracy,
    'valid-loss': epochs.loss,
    'train-loss': epochs.trainLoss,
    'learning-rate': steps.learningRate,
    momentum: steps.momentum,
    rates: rateChart(arms, metric),
  };
  const charts = Object.entries(specs).flatMap(([name, spec]) =>
    spec === null ? [] : [drawnChart(name, spec)],
  );
  const [svg, narrow] = [differenceSvg(differences), differenceSvg(differences, NARROW.width)];
  const what = metric === 'accuracy' ? 'final accuracy' : 'balanced accuracy';
  const caption = `Differences of the ${what}: each seed, their mean, and its 95% intervals`;
  if (svg === null || narrow === null) return charts;
  return [{ name: 'difference', caption, svg, narrow, full: true }, ...charts];
}
