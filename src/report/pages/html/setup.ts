import type { CompareDocument, FinderDocument, TrainDocument } from '../../../runs/documents.js';
import { html, type Html, htmlTable } from './html.js';

/** In which settings the arms differ, which they share, the data and the machine. */
export function setupSection({ config, environment, dataset }: CompareDocument): Html {
  const { perArm, ...shared } = config;
  const arms = Object.keys(perArm);
  const differing = [...new Set(Object.values(perArm).flatMap((settings) => Object.keys(settings)))];
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
    ${facts(shared, dataset ?? {}, environment)}`;
}

/** Settings, data and machine of a run, and the command that made it. */
export function factSections({ config, dataset, environment }: TrainDocument | FinderDocument): Html {
  return html`<h2>The set-up</h2>
    ${facts({ ...config }, { ...dataset }, { ...environment })}`;
}

type Facts = Readonly<Record<string, unknown>>;

function facts(settings: Facts, { skipped, classes, train, valid }: Facts, environment: Facts): Html {
  const { commandLine, ...machine } = environment;
  const data = {
    'training images': train,
    'validation images': valid,
    classes: Array.isArray(classes) ? `${classes.length}: ${classes.join(', ')}` : classes,
    skipped: Array.isArray(skipped) ? `${skipped.length} files` : skipped,
  };
  return html`${
    typeof commandLine === 'string'
      ? html`<p>Made by</p>
          <pre><code>${commandLine}</code></pre>`
      : null
  }${details('Settings', settings)}${details('Data', data)}${details('Environment', machine)}`;
}

function details(title: string, values: Facts): Html {
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
