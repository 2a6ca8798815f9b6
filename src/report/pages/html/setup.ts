import type { CompareDocument, FinderDocument, TrainDocument } from '../../../runs/documents.js';
import { counted } from '../../text/numbers.js';
import { lastPart } from '../../text/width.js';
import { html, type Html, htmlTable } from './html.js';

/** What made a page's numbers: the program, and the command as a shell reads it. */
export interface MadeBy {
  readonly onecycle?: unknown;
  /** ISO 8601. */
  readonly startedAt?: unknown;
  readonly commandLine?: unknown;
  readonly backend?: unknown;
  readonly device?: unknown;
}

/**
 * The first lines of a page: on which images what was trained, for how long, when, by which version and by which command.
 * @param seeds in words
 */
export function headSection(config: Facts, dataset: Facts, seeds: string, made: MadeBy): Html {
  const { data, weights, trainable, imageSize, epochs, batchSize, classWeights } = config;
  const { onecycle, startedAt, commandLine, backend, device } = made;
  const budget = [
    typeof epochs === 'number' ? counted(epochs, 'epoch') : null,
    typeof batchSize === 'number' ? `batches of ${batchSize}` : null,
    classWeights === 'balanced' ? 'class weights balanced' : null,
    seeds,
  ];
  const maker = [
    isText(onecycle) ? `onecycle ${onecycle}` : 'onecycle',
    isText(startedAt) ? startedAt.slice(0, 10) : null,
    isText(backend) ? backend : null,
    isText(device) ? device : null,
  ];
  // Where the arms of a comparison differ in one of them, it stands in their table.
  const network = [
    isText(weights) ? lastPart(weights) : null,
    typeof imageSize === 'number' ? `${imageSize} pixels a side` : null,
    isText(trainable) ? `trained part ${trainable}` : null,
  ];
  const rows: readonly (readonly [string, string | Html])[] = [
    ['images', isText(data) ? `${lastPart(data)}${imageCounts(dataset)}` : ''],
    ['network', listed(network)],
    ['training', listed(budget)],
    ['made by', listed(maker)],
    ['command', isText(commandLine) ? html`<code>${commandLine}</code>` : ''],
  ];
  return html`<dl class="head">
    ${rows.flatMap(([name, text]) =>
      text === ''
        ? []
        : [
            html`<dt>${name}</dt>
              <dd>${text}</dd> `,
          ],
    )}
  </dl> `;
}

function imageCounts({ classes, train, valid }: Facts): string {
  if (typeof train !== 'number' || typeof valid !== 'number' || !Array.isArray(classes)) return '';
  const images = `${counted(train, 'training image')} and ${counted(valid, 'validation image')}`;
  return `: ${images} of ${classes.length} classes`;
}

function listed(parts: readonly (string | null)[]): string {
  return parts.filter((part) => part !== null && part !== '').join(', ');
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

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

/** Settings, data and machine of a run. */
export function factSections({ config, dataset, environment }: TrainDocument | FinderDocument): Html {
  return html`<h2>The set-up</h2>
    ${facts({ ...config }, { ...dataset }, { ...environment })}`;
}

type Facts = Readonly<Record<string, unknown>>;

function facts(
  settings: Facts,
  { skipped, classes, train, valid }: Facts,
  { commandLine: _shown, ...machine }: Facts,
): Html {
  const data = {
    'training images': train,
    'validation images': valid,
    classes: Array.isArray(classes) ? `${classes.length}: ${classes.join(', ')}` : classes,
    skipped: Array.isArray(skipped) ? counted(skipped.length, 'file') : skipped,
  };
  return html`${details('Settings', settings)}${details('Data', data)}${details('Environment', machine)}`;
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
