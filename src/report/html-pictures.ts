import type { DisputedImage } from './compare-pictures.js';
import { html, trusted, type Html } from './html-text.js';

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
  const shown =
    uri === null || !/^data:image\/(png|jpeg);base64,[\w+/=]+$/u.test(uri)
      ? html`<span class="missing">not found here</span>`
      : html`<img src="${trusted(uri)}" alt="${name}" loading="lazy" />`;
  return html`<div class="picture">
    ${shown}<b title="${image}">${name}</b>${answers.map(
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
