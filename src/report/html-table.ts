import { html, type Html } from './html-text.js';

/** A column of a table in a page: numbers go to the right. */
export interface HtmlColumn {
  readonly header: string;
  readonly number?: boolean;
}

/** A table that scrolls by itself where the page is narrow; texts in cells are escaped. */
export function htmlTable(
  columns: readonly HtmlColumn[],
  rows: readonly (readonly (string | Html)[])[],
): Html {
  const kind = (index: number): string => (columns[index]?.number === true ? 'num' : '');
  return html`<div class="wide">
    <table>
      <thead>
        <tr>
          ${columns.map(({ header }, i) => html`<th class="${kind(i)}">${header}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell, i) => html`<td class="${kind(i)}">${cell}</td>`)}
            </tr> `,
        )}
      </tbody>
    </table>
  </div> `;
}

/** A difference in percentage points, coloured by its sign. */
export function signed(text: string): Html {
  const sign = text.startsWith('+') ? 'plus' : text.startsWith('-') ? 'minus' : '';
  return html`<span class="${sign}">${text.replace(/^-/u, '−')}</span>`;
}
