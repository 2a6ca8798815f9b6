import type {
  DataCheckDocument,
  DuplicateImages,
  HashedFile,
  LabelDoubt,
  DatasetSummary,
} from '../../../runs/documents.js';
import { counted, formatCount, formatDuration, formatFraction } from '../../text/numbers.js';
import { lastPart } from '../../text/width.js';
import { neverRead } from '../../words/data.js';
import { classRows, DUPLICATE_LISTS, factRows, likeness, verdictOf } from '../data-check.js';
import { html, type Html, htmlPage, htmlTable, pageTable } from './html.js';
import { imageBox } from './pictures.js';
import { headSection, type MadeBy } from './setup.js';

/** Groups of a kind, images of a group, doubtful labels of a kind, odd images of a kind, and unreadable or skipped files that a page shows. */
const MOST = { groups: 24, members: 6, doubts: 24, odd: 12, files: 100 } as const;

/** Small copies of images as data URIs by path; null where a file could not be read, or there were too many. */
type Copies = ReadonlyMap<string, string | null>;

/** The images that a page shows, those that matter most first. */
export function picturesOf({ duplicates, labels, odd }: DataCheckDocument): HashedFile[] {
  return [
    ...DUPLICATE_LISTS.flatMap(([, belongs]) =>
      duplicates
        .filter(belongs)
        .slice(0, MOST.groups)
        .flatMap(({ images }) => images.slice(0, MOST.members)),
    ),
    ...[labels?.valid ?? [], labels?.train ?? []].flatMap((doubts) => doubts.slice(0, MOST.doubts)),
    ...odd.flatMap(({ images }) => images.slice(0, MOST.odd)),
  ];
}

/** What was found in a data folder as one HTML file, duplicates side by side. */
export function dataPage(document: DataCheckDocument, copies: Copies, made: MadeBy): string {
  const { data, dataset, findings, seconds, taken } = document;
  const images = dataset.train + dataset.valid;
  return htmlPage(
    `The images of ${lastPart(data)}`,
    html`${headSection({ data }, { ...dataset }, '', made)}
      <section class="verdict ${findings.some(({ serious }) => serious) ? '' : 'claimed'}">
        <strong>${verdictOf(document).replace(/:$/u, '.')}</strong>
        <p>${counted(images, 'image')} checked in ${formatDuration(seconds)}. ${taken}</p>
      </section>
      ${findings.map(({ serious, text }) => html`<p class="warning ${serious ? 'failure' : ''}">${text}</p> `)}
      <h2>What there is</h2>
      ${pageTable(...classRows(document))}
      ${htmlTable(
        [{ header: 'images' }, { header: '' }],
        factRows(document).map(([name = '', text = '']) => [name, text]),
      )}
      ${DUPLICATE_LISTS.flatMap(
        ([title, belongs]) => duplicatesSection(title, document.duplicates.filter(belongs), copies) ?? [],
      )}
      ${doubtsSection(document, copies)}${oddSection(document, copies)}${filesSection('Files that cannot be read', document.unreadable)}${filesSection('Skipped', neverRead(document))}
      <h2>How near duplicates are found</h2>
      <p class="soft">
        By a perceptual hash that may differ in ${document.search.bits} of 64 bits, then by laying one picture
        over the other: at least ${formatFraction(document.search.similarity, 2)} of 1 must match.
        ${formatCount(document.search.plain)} of ${counted(images, 'image')} have too little in them to be
        compared.
      </p>`,
  );
}

function duplicatesSection(title: string, groups: readonly DuplicateImages[], copies: Copies): Html | null {
  if (groups.length === 0) return null;
  return html`<h2>${title.replace(/^./u, (letter) => letter.toUpperCase())}</h2>
    ${moreThan(groups.length, MOST.groups, 'group')}
    ${groups.slice(0, MOST.groups).map(
      (group) =>
        html`<h3>${likeness(group).replace(/^./u, (letter) => letter.toUpperCase())}</h3>
          <div class="pictures">
            ${group.images.slice(0, MOST.members).map((image) => card(image, copies, null))}
          </div>
          ${moreThan(group.images.length, MOST.members, 'image')}`,
    )}`;
}

function card(image: HashedFile, copies: Copies, said: Html | null): Html {
  return html`<div class="picture">
    ${imageBox(copies.get(image.path) ?? null, image.path)}<b>${image.class}</b><br />${image.path}${said}
  </div> `;
}

function moreThan(count: number, shown: number, noun: string): Html | null {
  return count <= shown ? null : html`<p class="soft">The first ${shown} of ${counted(count, noun)}.</p> `;
}

function doubtsSection({ labels }: DataCheckDocument, copies: Copies): Html | null {
  if (labels === null || labels.valid.length + labels.train.length === 0) return null;
  const gallery = (title: string, doubts: readonly LabelDoubt[]): Html | null =>
    doubts.length === 0
      ? null
      : html`<h3>${title}</h3>
          ${moreThan(doubts.length, MOST.doubts, 'image')}
          <div class="pictures">
            ${doubts
              .slice(0, MOST.doubts)
              .map((doubt) =>
                card(
                  doubt,
                  copies,
                  html`<br /><span class="wrong">taken for ${doubt.says}</span> with
                    ${formatFraction(doubt.probability)}; loss
                    ${formatFraction(doubt.loss, 2)}${doubt.runs > 1 ? `; ${doubt.wrong} of ${doubt.runs} runs wrong` : ''}`,
                ),
              )}
          </div> `;
  return html`<h2>Doubtful labels</h2>
    <p class="soft">
      Images that were taken for another class, those with the highest loss first. Mostly the network is
      wrong; look whether the label is.
    </p>
    ${gallery(`That ${labels.runs.length === 1 ? 'the run was' : 'the runs were'} validated with`, labels.valid)}
    ${gallery(`All others, judged by ${labels.model ?? ''}`, labels.train)}`;
}

function oddSection({ odd, dataset }: DataCheckDocument, copies: Copies): Html | null {
  const kinds = odd.filter(({ images }) => images.length < dataset.train + dataset.valid);
  if (kinds.length === 0) return null;
  return html`<h2>Odd images</h2>
    ${kinds.map(
      ({ kind, images }) =>
        html`<h3>${kind.replace(/^./u, (letter) => letter.toUpperCase())}</h3>
          ${moreThan(images.length, MOST.odd, 'image')}
          <div class="pictures">
            ${images.slice(0, MOST.odd).map((image) => card(image, copies, null))}
          </div> `,
    )}`;
}

function filesSection(title: string, files: DatasetSummary['skipped']): Html | null {
  if (files.length === 0) return null;
  return html`<h2>${title}</h2>
    ${moreThan(files.length, MOST.files, 'file')}
    ${htmlTable(
      [{ header: 'file' }, { header: 'reason' }],
      files.slice(0, MOST.files).map(({ path, reason }) => [path, reason]),
    )}`;
}
