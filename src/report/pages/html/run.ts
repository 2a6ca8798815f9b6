import type { FinderDocument, PredictionRecord, StepRecord, TrainDocument } from '../../../runs/documents.js';
import { rangeChart } from '../../charts/range-test.js';
import { stepCharts } from '../../charts/training.js';
import { wilson } from '../../../stats/intervals.js';
import {
  counted,
  formatAccuracy,
  formatDuration,
  formatFraction,
  formatInterval,
  formatRate,
} from '../../text/numbers.js';
import { howItEnded, recommendation, suggestionTable } from '../find-lr.js';
import {
  accuracyChart,
  BEST_NOTE,
  epochTable,
  lossChart,
  lossWarning,
  rateOrigin,
  summaryTable,
} from '../train.js';
import { classesSection } from './classes.js';
import { html, type Html, htmlPage, pageTable } from './html.js';
import { imageBox } from './pictures.js';
import { chartGrid, drawnChart, type NamedChart } from './report.js';
import { factSections, headSection } from './setup.js';
import { lastPart } from '../../text/width.js';

/** All charts of a training run. */
export function trainingCharts(document: TrainDocument, steps: readonly StepRecord[]): NamedChart[] {
  const { learningRate, momentum } = stepCharts([{ name: document.policy, steps }]);
  return [
    drawnChart('accuracy', accuracyChart(document)),
    drawnChart('loss', lossChart(document)),
    drawnChart('learning-rate', learningRate),
    drawnChart('momentum', momentum),
  ];
}

/** The chart of a range test. */
export function rangeTestCharts(document: FinderDocument): NamedChart[] {
  return [drawnChart('lr-curve', rangeChart(document), true)];
}

/** What the page of a training run shows beside its document. */
export interface TrainingParts {
  readonly charts: readonly NamedChart[];
  /** Empty where none were recorded. */
  readonly predictions: readonly PredictionRecord[];
  readonly hardest: readonly (HardImage & { readonly uri: string | null })[];
}

/** A training run as one HTML file. */
export function trainingPage(
  document: TrainDocument,
  { charts, predictions, hardest }: TrainingParts,
): string {
  const { config, dataset, failure, events } = document;
  const loss = lossWarning(document);
  const arm = { policy: document.policy, runs: predictions.length === 0 ? [] : [predictions] };
  return htmlPage(
    `${config.arm} on ${lastPart(config.data)}, seed ${config.seed}`,
    html`${headSection({ ...config }, { ...dataset }, `seed ${config.seed}`, document.environment)}
    ${resultSection(document)}${failure === null ? null : html`<p class="warning failure">${failure.message}</p> `}${loss === null ? null : html`<p class="warning">${loss}</p> `}${events.map(
      ({ text }) => html`<p class="warning">${text}</p> `,
    )}${chartGrid(charts)}${epochsSection(document)}${classesSection([arm], dataset.classes)}${hardestSection(hardest, dataset.classes)}${factSections(document)}`,
  );
}

/** A range test as one HTML file. */
export function rangeTestPage(document: FinderDocument, charts: readonly NamedChart[]): string {
  const { config, curves, recommended, reason } = document;
  const rates = recommendation(document);
  return htmlPage(
    `Learning rates for ${lastPart(config.data)}`,
    html`${headSection({ ...config }, { ...document.dataset }, seedsOf(config), document.environment)}
      <section class="verdict ${recommended === null ? '' : 'claimed'}">
        <strong>${rates}</strong>
        <p>${reason}</p>
      </section>
      ${chartGrid(charts)}
      <h2>Suggestions</h2>
      ${pageTable(...suggestionTable(document))}
      <h2>How the tests ended</h2>
      <ul>
        ${curves.map((curve) => html`<li>${howItEnded(curve, config.steps)}</li> `)}
      </ul>
      ${factSections(document)}`,
  );
}

function seedsOf({ seed, seeds }: FinderDocument['config']): string {
  return seeds === 1 ? `seed ${seed}` : `seeds ${seed} to ${seed + seeds - 1}`;
}

/** What came of it, first of all the accuracy to quote. */
function resultSection(document: TrainDocument): Html {
  const { status, final, best, epochs, config, seconds, stoppedEarly } = document;
  const planned =
    stoppedEarly === null ? counted(config.epochs, 'epoch') : `${stoppedEarly.epoch} epochs, stopped early`;
  const how =
    status === 'completed'
      ? `${planned} in ${formatDuration(seconds)}, with a ${config.policy === '1cycle' ? 'maximum ' : ''}rate of ${formatRate(config.lr)}${rateOrigin(config)}.`
      : `${status === 'failed' ? 'Failed' : 'Interrupted'} after ${epochs.length} of ${counted(config.epochs, 'epoch')}.`;
  if (final === null || best === null) {
    return html`<section class="verdict">
      <strong>No epoch was finished</strong>
      <p>${how}</p>
    </section> `;
  }
  const { low, high } = wilson(final.correct, final.total);
  return html`<section class="verdict">
      <strong>Accuracy ${formatAccuracy(final.correct, final.total)} after epoch ${final.epoch}</strong>
      <p>95% interval ${formatInterval(low, high)} over other images. ${how}</p>
    </section>
    ${pageTable(...summaryTable(best, final, true))}
    <p class="soft">${BEST_NOTE}</p> `;
}

/** More rows than this only make the page heavy: of long runs each n-th epoch is shown. */
const MOST_ROWS = 200;

function epochsSection(document: TrainDocument): Html | null {
  const [columns, rows] = epochTable(document);
  if (rows.length === 0) return null;
  const stride = Math.ceil(rows.length / MOST_ROWS);
  const shown = rows.filter((_, i) => i % stride === 0 || i === rows.length - 1);
  return html`<h2>The epochs</h2>
    <details>
      <summary>
        ${stride === 1 ? `All ${counted(rows.length, 'epoch')}` : `Each ${stride}th of ${rows.length} epochs`}
      </summary>
      ${pageTable(columns, shown)}
    </details> `;
}

/** A validation image with a large loss. */
export interface HardImage extends Pick<PredictionRecord, 'image' | 'label'> {
  readonly predicted: number;
  /** Of the class that was predicted. */
  readonly probability: number;
}

/**
 * The validation images with the largest loss after the last epoch. Of a wrong answer with probability p only a bound is recorded:
 * the true class had at most 1 - p and at most p. With two classes it is the loss itself.
 */
export function hardestImages(predictions: readonly PredictionRecord[], most: number): HardImage[] {
  const ofTruth = ({ label, predicted, probability }: HardImage): number =>
    predicted === label ? probability : Math.min(probability, 1 - probability);
  return predictions
    .map(({ image, label, final }): HardImage => ({ image, label, ...final }))
    .sort((a, b) => ofTruth(a) - ofTruth(b))
    .slice(0, most);
}

function hardestSection(hardest: TrainingParts['hardest'], classes: readonly string[]): Html | null {
  if (hardest.length === 0) return null;
  return html`<h2>The images with the largest loss</h2>
    <p class="soft">
      After the last epoch, the largest first. With more than two classes a wrong answer counts with the least
      loss that its probability leaves.
    </p>
    <div class="pictures">
      ${hardest.map(({ image, label, predicted, probability, uri }) => {
        const right = predicted === label;
        const truth = classes[label] ?? '?';
        const said = right ? 'recognised' : `taken for ${classes[predicted] ?? '?'}`;
        return html`<div class="picture">
          ${imageBox(uri, `${truth}, ${said}`)}<b title="${image}">${truth}</b><br /><span
            class="${right ? 'right' : 'wrong'}"
            >${said}</span
          >
          with ${formatFraction(probability)}
        </div> `;
      })}
    </div> `;
}
