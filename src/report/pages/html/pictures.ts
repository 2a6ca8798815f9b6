import type { PredictionRecord } from '../../../runs/documents.js';
import { counted, formatFraction } from '../../text/numbers.js';
import { html, type Html, trusted } from './html.js';

/** An image of the gallery with its small copy as a data URI; null where the file could not be read. */
export interface Picture extends DisputedImage {
  readonly uri: string | null;
}

/** The images that one arm gets right and the other does not; null where there are none. */
export function picturesSection(
  { won, lost }: { readonly won: readonly Picture[]; readonly lost: readonly Picture[] },
  classes: readonly string[],
): Html | null {
  const [first] = [...won, ...lost];
  const [baseline, arm] = first?.answers.map(({ policy }) => policy) ?? [];
  if (baseline === undefined || arm === undefined) return null;
  return html`<h2>Where they differ</h2>
    <p class="soft">
      The validation images that the runs of ${baseline} and of ${arm} judge most differently, with the final
      prediction of each run.
    </p>
    ${gallery(`More often right with ${arm}`, won, classes)}${gallery(`More often right with ${baseline}`, lost, classes)}`;
}

function gallery(title: string, pictures: readonly Picture[], classes: readonly string[]): Html | null {
  if (pictures.length === 0) return null;
  return html`<h3>${title}</h3>
    <div class="pictures">${pictures.map((picture) => card(picture, classes))}</div> `;
}

function card({ image, label, answers, uri }: Picture, classes: readonly string[]): Html {
  const name = classes[label] ?? '';
  return html`<div class="picture">
    ${imageBox(uri, name)}<b title="${image}">${name}</b>${answers.map(
      ({ policy, classes: predicted }) =>
        html`<br />${policy}:
          ${predicted.map(
            ([answer, times], i) =>
              html`${i > 0 ? ', ' : ''}<span class="${answer === label ? 'right' : ''}"
                  >${classes[answer] ?? '?'}</span
                >${times > 1 ? ` ×${times}` : ''}`,
          )}`,
    )}
  </div> `;
}

/** An image that runs were wrong about, and how sure the surest of them was. */
export interface ConfidentError {
  readonly image: string;
  readonly label: number;
  readonly predicted: number;
  /** Of the class that was predicted, in the run that gave it most. */
  readonly probability: number;
  /** The arm of that run. */
  readonly policy: string;
  /** How many of all runs were wrong about the image. */
  readonly wrong: number;
  readonly runs: number;
}

/** An error with the image's small copy as a data URI; null where the file could not be read. */
export interface ErrorPicture extends ConfidentError {
  readonly uri: string | null;
}

/** The images with the most confident wrong answer of any run after its last epoch, the most confident first. */
export function confidentErrors(arms: readonly ArmPredictions[], most: number): ConfidentError[] {
  const all = arms.flatMap(({ policy, runs }) => runs.map((run) => ({ policy, run })));
  const images = all[0]?.run ?? [];
  return images
    .flatMap(({ image, label }, i) => {
      const wrong = all.flatMap(({ policy, run }) => {
        const answer = run[i]?.final;
        return answer === undefined || answer.predicted === label ? [] : [{ policy, ...answer }];
      });
      const [surest] = wrong.toSorted((a, b) => b.probability - a.probability);
      return surest === undefined ? [] : [{ image, label, ...surest, wrong: wrong.length, runs: all.length }];
    })
    .toSorted((a, b) => b.probability - a.probability)
    .slice(0, most);
}

/** The most confident errors; null where there are none. */
export function errorsSection(errors: readonly ErrorPicture[], classes: readonly string[]): Html | null {
  if (errors.length === 0) return null;
  return html`<h2>The most confident errors</h2>
    <p class="soft">
      Final predictions of all runs: the images with the wrong answer that got the highest probability. An
      image that most runs get wrong may be labelled wrongly.
    </p>
    <div class="pictures">
      ${errors.map(({ image, label, predicted, probability, policy, wrong, runs, uri }) => {
        const truth = classes[label] ?? '?';
        const said = `taken for ${classes[predicted] ?? '?'}`;
        return html`<div class="picture">
          ${imageBox(uri, `${truth}, ${said}`)}<b title="${image}">${truth}</b><br /><span class="wrong"
            >${said}</span
          >
          with ${formatFraction(probability)} by ${policy}; ${wrong} of ${counted(runs, 'run')} wrong
        </div> `;
      })}
    </div> `;
}

/** A small copy of an image, or what stands where there is none. */
export function imageBox(uri: string | null, name: string): Html {
  return uri === null || !/^data:image\/(png|jpeg);base64,[\w+/=]+$/u.test(uri)
    ? html`<span class="missing">not found here</span>`
    : html`<img src="${trusted(uri)}" alt="${name}" />`;
}

/** The predictions of an arm's runs on one list of validation images. */
export interface ArmPredictions {
  readonly policy: string;
  /** A list a run, in the order of the seeds. */
  readonly runs: readonly (readonly PredictionRecord[])[];
}

/** An image on which two arms differ. */
export interface DisputedImage {
  /** Relative to the data folder. */
  readonly image: string;
  readonly label: number;
  /** Share of the arm's runs that were right less that of the baseline's, from -1 to 1. */
  readonly lead: number;
  /** For each arm, the predicted classes with the number of runs, the most frequent first. */
  readonly answers: readonly {
    readonly policy: string;
    readonly classes: readonly (readonly [number, number])[];
  }[];
}

/**
 * The images that the last arm and the first judge most differently, at most `most` in each direction: those that
 * one arm's runs get right and the other's get wrong most consistently.
 */
export function disputedImages(
  arms: readonly ArmPredictions[],
  most: number,
): { readonly won: DisputedImage[]; readonly lost: DisputedImage[] } {
  const [baseline, arm] = [arms[0], arms.at(-1)];
  const images = baseline?.runs[0] ?? [];
  if (baseline === undefined || arm === undefined || arm === baseline || arm.runs.length === 0)
    return { won: [], lost: [] };
  const all = images.map(({ image, label }, i): DisputedImage => ({
    image,
    label,
    lead: rightShare(arm, i, label) - rightShare(baseline, i, label),
    answers: [baseline, arm].map(({ policy, runs }) => ({
      policy,
      classes: tally(runs.map((run) => run[i]?.final.predicted ?? -1)),
    })),
  }));
  const sorted = all.toSorted((a, b) => b.lead - a.lead);
  return {
    won: sorted.filter(({ lead }) => lead > 0).slice(0, most),
    lost: sorted
      .toReversed()
      .filter(({ lead }) => lead < 0)
      .slice(0, most),
  };
}

function rightShare({ runs }: ArmPredictions, index: number, label: number): number {
  return runs.filter((run) => run[index]?.final.predicted === label).length / runs.length;
}

function tally(predicted: readonly number[]): [number, number][] {
  const counts = new Map<number, number>();
  for (const label of predicted) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}
