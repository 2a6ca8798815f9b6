import { readFile } from 'node:fs/promises';
import { nearest } from '../config/nearest.js';
import { UsageError } from '../errors.js';
import { manualPage } from '../report/pages/manual.js';
import { layout } from './terminal.js';

/** Pages of the manual, src/cli/manual/*.md, and what each is about. */
export type Topics = Readonly<Record<string, string>>;

/**
 * `onecycle help PAGE`.
 * @throws UsageError with the nearest of the topics and commands where there is no such page
 */
export async function printPage(name: string, topics: Topics, commands: readonly string[]): Promise<void> {
  if (!Object.hasOwn(topics, name)) {
    const known = [...commands, ...Object.keys(topics)];
    const meant = nearest(name, known);
    const hint = meant === undefined ? `Expected one of ${known.join(', ')}.` : `Did you mean "${meant}"?`;
    throw new UsageError(`There is no command and no page of the manual named "${name}". ${hint}`);
  }
  const page = await readFile(new URL(`./manual/${name}.md`, import.meta.url), 'utf8');
  process.stdout.write(`${manualPage(page, layout({ color: true }, process.stdout))}\n`);
}
