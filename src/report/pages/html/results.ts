import type { CompareDocument } from '../../../runs/documents.js';
import type { ArmCurves } from '../../charts/training.js';
import {
  formatAccuracy,
  formatFraction,
  formatInterval,
  formatPoints,
  pointDecimals,
  formatPValue,
  formatShares,
} from '../../text/numbers.js';
import {
  differencesNote,
  failures,
  superConvergenceText,
  timesNote,
  unevenNote,
} from '../../words/compare.js';
import { armFacts, rateColumns, rateRows, RATES_NOTE } from '../compare.js';
import { html, type Html, htmlTable, signed } from './html.js';

/** The verdict, with the runs that failed and the warnings. */
export function verdictSection(document: CompareDocument): Html {
  const { kind, title, detail } = document.verdict;
  const uneven = unevenNote(document);
  return html`<section class="verdict ${kind === 'claim' ? 'claimed' : ''}">
      <strong>${kind === 'one-seed' ? 'One seed is too few for a verdict' : title}</strong>
      <p>${kind === 'one-arm' || kind === 'no-pairs' ? capital(detail) : detail}</p>
    </section>
    ${failures(document).map((text) => html`<p class="warning failure">${text}</p> `)}${document.warnings.map(
      (text) => html`<p class="warning">${text}</p> `,
    )}${uneven === '' ? null : html`<p class="soft">${uneven}</p> `}`;
}

/** For sentences that do not begin with an arm's name, which stays as it is. */
function capital(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}

/** The arms side by side. */
export function armsSection(document: CompareDocument, curves: readonly ArmCurves[]): Html {
  const facts = armFacts(document, true);
  return html`<h2>The arms</h2>
    ${htmlTable(
      [{ header: '' }, ...document.arms.map(({ policy }) => ({ header: policy, number: true }))],
      facts.map(([name, text]) => [name, ...document.arms.map((arm, i) => text(arm, curves[i]))]),
    )}
    <p class="soft">
      Mean ± standard deviation over seeds; steps and time to the target: median (lowest to highest).
      ${timesNote(document)}
    </p>
    <p>${superConvergenceText(document)}</p> `;
}

/** Every rate of every arm; null where each was trained at one. */
export function ratesSection({ arms, config: { metric } }: CompareDocument): Html | null {
  if (arms.every(({ rates }) => rates.length < 2)) return null;
  return html`<h2>The learning rates</h2>
    ${htmlTable(
      rateColumns(metric).map(({ header, align }) => ({ header, number: align === 'right' })),
      rateRows(arms, metric),
    )}
    <p class="soft">${RATES_NOTE}</p> `;
}

/** Differences over seeds and images, and seed by seed. */
export function differencesSection(document: CompareDocument): Html | null {
  if (document.differences.length === 0) return null;
  const balanced = document.config.metric === 'balanced-accuracy';
  const perSeed = document.differences.flatMap(({ arm, baseline, perSeed: seeds }) =>
    seeds.map((seed) => [
      `${arm} − ${baseline}`,
      String(seed.seed),
      signed(formatPoints(seed.difference)),
      String(seed.onlyArm),
      String(seed.onlyBaseline),
      formatPValue(seed.pValue),
    ]),
  );
  return html`<h2>The differences</h2>
    ${htmlTable(
      [
        { header: 'difference' },
        { header: 'points', number: true },
        { header: '95% interval', number: true },
        { header: 'variance: seeds, images, answers', number: true },
        { header: 'p', number: true },
        { header: 'adjusted p', number: true },
        { header: 'method' },
      ],
      document.differences.map(
        ({ arm, baseline, mean, low, high, varianceShares, pValue, adjustedPValue, method }) => [
          html`<b>${arm} − ${baseline}</b>`,
          signed(formatPoints(mean, pointDecimals(mean, low, high))),
          formatInterval(low, high, (bound) => formatPoints(bound, pointDecimals(mean, low, high))),
          formatShares(varianceShares),
          formatPValue(pValue),
          formatPValue(adjustedPValue),
          method,
        ],
      ),
    )}
    <p class="soft">${differencesNote(document)}</p>
    ${
      perSeed.length === 0
        ? null
        : html`<h3>Seed by seed</h3>
            ${htmlTable(
              [
                { header: 'difference' },
                { header: 'seed', number: true },
                { header: 'points', number: true },
                { header: 'only the arm right', number: true },
                { header: 'only the baseline right', number: true },
                { header: balanced ? 'p of the signs' : "McNemar's exact p", number: true },
              ],
              perSeed,
            )}
            <p class="soft">
              ${balanced ? 'The test of the signs, each over the images of its class,' : "McNemar's test"}
              compares two trained networks on the same images; it says nothing about other seeds, and so
              nothing about the policies.
            </p> `
    }`;
}

/** Every run with its counts and its folder. */
export function runsSection({ arms }: CompareDocument): Html {
  return html`<h2>The runs</h2>
    ${htmlTable(
      [
        { header: 'arm' },
        { header: 'seed', number: true },
        { header: 'final accuracy', number: true },
        { header: 'balanced accuracy', number: true },
        { header: 'macro F1', number: true },
        { header: 'best accuracy', number: true },
        { header: 'in epoch', number: true },
        { header: 'folder' },
      ],
      arms.flatMap(({ policy, runs, failed }) => [
        ...runs.map(({ run, seed, final, best }) => [
          policy,
          String(seed),
          formatAccuracy(final.correct, final.total),
          formatFraction(final.balancedAccuracy),
          formatFraction(final.macroF1),
          formatAccuracy(best.correct, best.total),
          String(best.epoch),
          html`<code>${run}</code>`,
        ]),
        ...failed.map(({ run, seed }) => [
          policy,
          String(seed),
          'failed',
          '',
          '',
          '',
          '',
          html`<code>${run}</code>`,
        ]),
      ]),
    )}
    <p class="soft">
      The best epoch was picked on these same validation images, so its accuracy is too high: the final one is
      compared.
    </p> `;
}
