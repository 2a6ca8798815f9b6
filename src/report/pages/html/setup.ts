import type { CompareDocument } from '../../../runs/documents.js';
import { html, type Html, htmlTable } from './html.js';

/** In which settings the arms differ, which they share, the data and the machine. */
export function setupSection({ config, environment, dataset }: CompareDocument): Html {
  const { perArm, ...shared } = config;
  const arms = Object.keys(perArm);
  const differing = [...new Set(Object.values(perArm).flatMap((settings) => Object.keys(settings)))];
  const { skipped, classes, train, valid } = dataset ?? {};
  const data = {
    'training images': train,
    'validation images': valid,
    classes: Array.isArray(classes) ? `${classes.length}: ${classes.join(', ')}` : classes,
    skipped: Array.isArray(skipped) ? `${skipped.length} files` : skipped,
  };
  return html`<h2>The set-up</h2>
    <h3>In which settings the arms differ</h3>
    ${
      differing.length === 0
        ? html`<p>In none.</p>`
        : htmlTable(
            [{ header: 'setting' }, ...arms.map((header) => ({ header }))],
            differing.map((name) => [
              html`<code>${name}</code>`,
              ...arms.map((arm) => html`<code>${valueText(perArm[arm]?.[name])}</code>`),
            ]),
          )
    }
    <h3>What they share</h3>
    ${details('Settings', shared)}${details('Data', data)}${details('Environment', environment)}`;
}

function details(title: string, values: Readonly<Record<string, unknown>>): Html {
  return html`<details>
    <summary>${title}</summary>
    ${htmlTable(
      [{ header: 'name' }, { header: 'value' }],
      Object.entries(values).map(([name, value]) => [
        html`<code>${name}</code>`,
        html`<code>${valueText(value)}</code>`,
      ]),
    )}
  </details> `;
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return 'none';
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(valueText).join(', ');
  if (typeof value !== 'object') return String(value);
  return Object.entries(value)
    .map(([name, entry]) => `${name} ${valueText(entry)}`)
    .join(', ');
}
