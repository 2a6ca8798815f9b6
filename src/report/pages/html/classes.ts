import { classAccuracy, type Confusion, confusionOf, precisionAndF1 } from '../../../stats/classes.js';
import { formatFraction, formatPoints } from '../../text/numbers.js';
import { html, type Html, htmlTable, signed } from './html.js';
import type { ArmPredictions } from './pictures.js';

/** A matrix of more classes cannot be read. */
const LARGEST_MATRIX = 24;
const MISTAKES = 15;

/** Accuracy of every class, and which classes are confused; null where there are no predictions. */
export function classesSection(arms: readonly ArmPredictions[], classes: readonly string[]): Html | null {
  const known = arms.filter(({ runs }) => runs.length > 0);
  if (known.length === 0) return null;
  const counted = known.map((arm) => ({ arm, counts: confusion(arm, classes.length) }));
  const table = accuracyTable(counted, classes);
  return html`<h2>Class by class</h2>
    ${
      classes.length > LARGEST_MATRIX
        ? html`<details>
            <summary>Accuracy of each of ${classes.length} classes</summary>
            ${table}
          </details> `
        : table
    }
    ${qualitySection(counted, classes)}
    <h3>Which classes are confused</h3>
    <p class="soft">
      Final
      predictions${known.some(({ runs }) => runs.length > 1) ? ', summed over the seeds of an arm' : ''}.
      ${
        classes.length > LARGEST_MATRIX
          ? 'The most frequent mistakes.'
          : 'Rows are the true classes, columns the predictions; colour is the share of the row: green where right, purple where wrong.'
      }
    </p>
    <div class="matrices">
      ${counted.map(({ arm, counts }) =>
        classes.length > LARGEST_MATRIX
          ? mistakes(arm.policy, counts, classes)
          : matrix(arm.policy, counts, classes),
      )}
    </div> `;
}

interface CountedArm {
  readonly arm: ArmPredictions;
  readonly counts: Confusion;
}

const QUALITY =
  'Recall is the share of the images of a class that were recognised, precision the share of the answers with that class that ' +
  'were right, F1 the harmonic mean of both.';

/** Precision, recall and F1 of every class, arm by arm; of one arm alone they stand in the first table. */
function qualitySection(arms: readonly CountedArm[], classes: readonly string[]): Html {
  if (arms.length === 1) return html`<p class="soft">${QUALITY}</p>`;
  return html`<details>
    <summary>Precision, recall and F1 of each class, arm by arm</summary>
    <p class="soft">${QUALITY} Final predictions, summed over the seeds of an arm.</p>
    <div class="grid">
      ${arms.map(
        ({ arm, counts }) =>
          html`<div>
            <h3>${arm.policy}</h3>
            ${htmlTable(
              ['class', 'precision', 'recall', 'F1'].map((header, i) => ({ header, number: i > 0 })),
              classes.map((name, label) => {
                const [precision, f1] = precisionAndF1(counts, label);
                return [
                  name,
                  ...[precision, classAccuracy(counts, label), f1].map((share) => formatFraction(share)),
                ];
              }),
            )}
          </div> `,
      )}
    </div>
  </details> `;
}

function accuracyTable(arms: readonly CountedArm[], classes: readonly string[]): Html {
  const [first, last] = [arms[0], arms.at(-1)];
  const differs = arms.length > 1;
  const alone = differs ? undefined : first;
  const images = first?.arm.runs[0] ?? [];
  return htmlTable(
    [
      { header: 'class' },
      { header: 'images', number: true },
      ...arms.map(({ arm }) => ({
        header: alone === undefined ? arm.policy : 'recall',
        number: true,
      })),
      ...(differs ? [{ header: `${last?.arm.policy} − ${first?.arm.policy}, points`, number: true }] : []),
      ...(alone === undefined ? [] : ['precision', 'F1'].map((header) => ({ header, number: true }))),
    ],
    classes.map((name, label) => {
      const accuracies = arms.map(({ counts }) => classAccuracy(counts, label));
      const [from, to] = [accuracies[0] ?? null, accuracies.at(-1) ?? null];
      return [
        name,
        String(images.filter((line) => line.label === label).length),
        ...accuracies.map((accuracy) => formatFraction(accuracy)),
        ...(differs ? [signed(formatPoints(from === null || to === null ? null : to - from))] : []),
        ...(alone === undefined
          ? []
          : precisionAndF1(alone.counts, label).map((share) => formatFraction(share))),
      ];
    }),
  );
}

function matrix(policy: string, counts: Confusion, classes: readonly string[]): Html {
  return html`<div class="matrix">
    <h3>${policy}</h3>
    <table>
      <thead>
        <tr>
          <th></th>
          ${classes.map((name) => html`<th scope="col"><span>${name}</span></th>`)}
        </tr>
      </thead>
      <tbody>
        ${counts.map((row, label) => {
          const total = row.reduce((sum, count) => sum + count, 0);
          return html`<tr>
            <th scope="row">${classes[label] ?? ''}</th>
            ${row.map((count, predicted) => cell(count, total, label === predicted))}
          </tr> `;
        })}
      </tbody>
    </table>
  </div> `;
}

/** A green and a purple that no arm has: right and wrong answers. */
const RIGHT = [0, 110, 80] as const;
const WRONG = [150, 60, 120] as const;

/** A count on its colour, thinned by the share of the row; on white ground the text turns white where black has less contrast. */
function cell(count: number, total: number, right: boolean): Html {
  if (count === 0 || total === 0) return html`<td></td>`;
  const share = count / total;
  const strength = 0.08 + 0.92 * (right ? share : Math.min(1, 1.6 * share));
  const colour = right ? RIGHT : WRONG;
  const deep = luminance(colour.map((channel) => 255 + strength * (channel - 255))) < EVEN;
  return html`<td
    class="${deep ? 'deep' : ''}"
    style="background:rgba(${colour.join()},${strength.toFixed(2)})"
  >
    ${count}
  </td>`;
}

/** The luminance on which black and white text have the same contrast, 4.6. */
const EVEN = 0.179;

/** Relative luminance of an sRGB colour with channels up to 255 (WCAG 2.2, section 3). */
function luminance(channels: readonly number[]): number {
  const [red = 0, green = 0, blue = 0] = channels
    .map((channel) => channel / 255)
    .map((share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function mistakes(policy: string, counts: Confusion, classes: readonly string[]): Html {
  return html`<div class="matrix">
    <h3>${policy}</h3>
    ${htmlTable(
      [{ header: 'true class' }, { header: 'taken for' }, { header: 'times', number: true }],
      commonMistakes(counts, MISTAKES).map(({ label, predicted, count }) => [
        classes[label] ?? '',
        classes[predicted] ?? '',
        String(count),
      ]),
    )}
  </div> `;
}

/** The final predictions of an arm's runs, summed. */
export function confusion({ runs }: ArmPredictions, classes: number): Confusion {
  return confusionOf(
    runs.flat().map(({ label, final }) => ({ label, predicted: final.predicted })),
    classes,
  );
}

/** A mistake and how often it was made. */
interface Mistake {
  readonly label: number;
  readonly predicted: number;
  readonly count: number;
}

/** The most frequent mistakes, the most frequent first. */
export function commonMistakes(counts: Confusion, most: number): Mistake[] {
  return counts
    .flatMap((row, label) => row.map((count, predicted) => ({ label, predicted, count })))
    .filter(({ label, predicted, count }) => label !== predicted && count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, most);
}
