import { printable } from './text-width.js';

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
