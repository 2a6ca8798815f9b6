import { paint, type Colour } from './colour.js';
import { displayWidth, printable, truncate } from './text-width.js';

/** One entry of a legend: a sample of the glyphs in the chart and what they mean. */
export interface LegendItem {
  readonly sample: string;
  readonly text: string;
  readonly colour?: Colour | undefined;
}

/** Sets entries side by side, as many to a line as fit into `width` columns. */
export function legendLines(items: readonly LegendItem[], width: number, colour: boolean): string[] {
  const lines: string[] = [];
  let line = '';
  let used = 0;
  for (const { sample, text, colour: tint } of items) {
    const label = truncate(printable(text), width - displayWidth(sample) - 1);
    const size = displayWidth(sample) + 1 + displayWidth(label);
    const entry = `${paint(sample, tint, colour)} ${label}`;
    if (used > 0 && used + 3 + size <= width) {
      line += `   ${entry}`;
      used += 3 + size;
      continue;
    }
    if (used > 0) lines.push(line);
    line = entry;
    used = size;
  }
  if (used > 0) lines.push(line);
  return lines;
}
