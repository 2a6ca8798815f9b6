import { printable } from '../../../printable.js';
import type { TableColumn } from '../../text/table.js';

/** Markup that is safe to put into a page. */
export class Html {
  constructor(readonly markup: string) {}
}

/** What may stand in a template: texts and numbers are escaped, markup and lists of it are not. */
type Part = string | number | Html | readonly Html[] | null;

/** A piece of a page: html`<td>${name}</td>` escapes `name`; null leaves its place empty. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(
    strings.map((text, i) => text + (i < parts.length ? markupOf(parts[i] ?? null) : '')).join(''),
  );
}

/** Markup that was made elsewhere, such as a chart. */
export function trusted(markup: string): Html {
  return new Html(markup);
}

function markupOf(part: Part): string {
  if (part === null) return '';
  if (part instanceof Html) return part.markup;
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part));
  return part.map(({ markup }) => markup).join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A text as it stands in HTML or SVG, in elements and in quoted attributes. */
export function escapeHtml(text: string): string {
  return printable(text).replace(/[&<>"']/gu, (char) => ENTITIES[char] ?? char);
}

/** A whole page in one file that needs nothing from elsewhere: no scripts, no network. */
export function htmlPage(title: string, body: Html): string {
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
          ${body}
        </main>
      </body>
    </html> `.markup;
}

/** A column of a table in a page: numbers go to the right. */
interface HtmlColumn {
  readonly header: string;
  readonly number?: boolean;
}

/** With so many columns a table is turned on a telephone: each row a list of its cells under its heading. */
const MANY = 5;

/** A table; texts in cells are escaped. The first cell of a row is its heading. */
export function htmlTable(
  columns: readonly HtmlColumn[],
  rows: readonly (readonly (string | Html)[])[],
): Html {
  const kind = (index: number): string => (columns[index]?.number === true ? 'num' : '');
  const label = (index: number): Html =>
    columns.length < MANY ? html`` : html`data-label="${columns[index]?.header ?? ''}"`;
  return html`<div class="wide ${columns.length < MANY ? '' : 'many'}">
    <table>
      <thead>
        <tr>
          ${columns.map(({ header }, i) => html`<th scope="col" class="${kind(i)}">${header}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell, i) =>
                i === 0
                  ? html`<th scope="row" class="${kind(i)}">${cell}</th>`
                  : html`<td class="${kind(i)}" ${label(i)}>${cell}</td>`,
              )}
            </tr> `,
        )}
      </tbody>
    </table>
  </div> `;
}

/** A table as a terminal has it. */
export function pageTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly (string | Html)[])[],
): Html {
  return htmlTable(
    columns.map(({ header, align }) => ({ header, number: align === 'right' })),
    rows,
  );
}

/** A difference in percentage points, coloured by its sign. */
export function signed(text: string): Html {
  const sign = text.startsWith('+') ? 'plus' : text.startsWith('-') ? 'minus' : '';
  return html`<span class="${sign}">${text.replace(/^-/u, '−')}</span>`;
}

/** The page's style sheet: no fonts and no pictures from elsewhere, readable on a phone, at night and on paper. */
export const STYLE = `
:root { color-scheme: light dark; --paper: #fff; --ink: #1f2328; --soft: #5b6470; --line: #d9dee4; --ground: #f6f7f9; --purple: #96347a; --green: #00785a; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #1b1f24; --ink: #e6e8eb; --soft: #9aa4af; --line: #3a414a; --ground: #12151a; --purple: #e08cc6; --green: #3fc79a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 1.7rem; margin: 0 0 4px; line-height: 1.25; }
h2 { font-size: 1.2rem; margin: 44px 0 12px; padding-bottom: 6px; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 20px 0 8px; }
p { margin: 8px 0; max-width: 80ch; }
.soft { color: var(--soft); font-size: .92rem; }
.verdict { background: var(--paper); border: 1px solid var(--line); border-left: 6px solid var(--soft); border-radius: 8px; padding: 16px 20px; margin: 20px 0; }
.verdict.claimed { border-left-color: var(--green); }
.verdict strong { display: block; font-size: 1.15rem; margin-bottom: 4px; }
.verdict p { margin: 0; }
.warning { color: #1f2328; background: #fff6e5; border: 1px solid #eed9a8; border-left: 6px solid #c98a00; border-radius: 8px; padding: 8px 16px; margin: 8px 0; }
.failure { background: #fdeceb; border-color: #efc4c0; border-left-color: #b3261e; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(460px, 100%), 1fr)); gap: 16px; }
figure { margin: 0; background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 8px; }
figure svg { width: 100%; height: auto; display: block; color: inherit !important; background: none !important; }
figure svg [stroke=white] { stroke: var(--paper); }
@media screen and (prefers-color-scheme: dark) {
  figure svg [fill="#a8538a"] { fill: #dd8fc3; }
  figure svg [fill="#6f5bb8"] { fill: #a99cf0; }
  figure svg [stroke="#6f5bb8"] { stroke: #a99cf0; }
  .warning { color: var(--ink); background: #2b2416; border-color: #5a4a20 #5a4a20 #5a4a20 #c98a00; }
  .failure { background: #2e1a19; border-color: #6b302c #6b302c #6b302c #e0554b; }
}
figure .narrow { display: none; }
figure.full { grid-column: 1 / -1; overflow-x: auto; }
figure.full svg { min-width: 640px; }
.wide { overflow-x: auto; background: var(--paper); border: 1px solid var(--line); border-radius: 8px; margin: 8px 0; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { padding: 7px 14px; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child > td, tr:last-child > th { border-bottom: 0; }
thead th { color: var(--soft); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 400; }
.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.plus { color: var(--green); } .minus { color: var(--purple); }
dl.head { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 12px 0; font-size: .92rem; }
dl.head dt { color: var(--soft); }
dl.head dd { margin: 0; overflow-wrap: anywhere; }
code { font: .88em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.matrices { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(480px, 100%), 1fr)); gap: 16px; }
.matrix { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 12px; overflow-x: auto; }
.matrix h3 { margin: 0 0 8px; }
.matrix table { width: auto; margin: 0 auto; font-size: .78rem; border-collapse: separate; border-spacing: 2px; }
.matrix td { color: #000; width: 34px; height: 30px; padding: 0; border: 0; text-align: center; vertical-align: middle; border-radius: 3px; font-variant-numeric: tabular-nums; }
.matrix td.deep { color: #fff; }
@media screen and (prefers-color-scheme: dark) { .matrix td { color: #fff; } }
.matrix th { padding: 0 6px; border: 0; font-weight: 500; white-space: nowrap; text-align: right; vertical-align: middle; color: var(--ink); }
.matrix thead th { vertical-align: bottom; text-align: left; padding: 0; }
.matrix thead th span { writing-mode: vertical-rl; transform: rotate(180deg); padding: 4px 0; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 12px; }
.picture { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 10px; font-size: .82rem; line-height: 1.4; overflow-wrap: anywhere; }
.picture img, .picture .missing { display: block; width: 96px; height: 96px; object-fit: contain; margin: 0 auto 8px; background: var(--ground); border-radius: 4px; }
.picture .missing { display: grid; place-items: center; text-align: center; color: var(--soft); }
.picture .right { color: var(--green); font-weight: 600; }
.picture .wrong { color: var(--purple); font-weight: 600; }
pre { margin: 8px 0; white-space: pre-wrap; }
details > summary { cursor: pointer; color: var(--soft); }
@media screen and (max-width: 560px) {
  main { padding: 20px 12px 48px; }
  th, td { padding: 6px 4px; }
  table { font-size: .78rem; }
  thead th, .num { white-space: normal; }
  .many thead { display: none; }
  .many table, .many tbody, .many tr, .many th, .many td { display: block; }
  .many tr { padding: 6px 8px; border-bottom: 1px solid var(--line); }
  .many tr:last-child { border-bottom: 0; }
  .many th, .many td { border: 0; padding: 1px 0; }
  .many tbody th { font-weight: 600; font-size: .85rem; }
  .many td { display: flex; justify-content: space-between; gap: 12px; overflow-wrap: anywhere; }
  .many td::before { content: attr(data-label); color: var(--soft); text-align: left; flex: none; max-width: 55%; }
  .many td:empty { display: none; }
  figure .narrow { display: block; }
  figure .narrow + svg { display: none; }
  figure .narrow svg { min-width: 0; }
}
@media print {
  body { background: #fff; }
  main { max-width: none; padding: 0; }
  figure, .verdict, .matrix, .picture, tr { break-inside: avoid; }
  h2, h3, summary { break-after: avoid; }
  .wide, .matrix { overflow: visible; break-inside: avoid; }
  .matrix td { print-color-adjust: exact; }
  .grid { grid-template-columns: 1fr 1fr; }
  table { font-size: .72rem; }
  th, td { padding: 4px 6px; }
  thead th, .num { white-space: normal; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
`;
