import { pad } from './text-width.js';

const GAP = 4;

/** Sets two blocks of text side by side, the right one from column `from` on. */
function sideBySide(left: string, right: string, from: number): string {
  const [lefts, rights] = [left.split('\n'), right.split('\n')];
  return Array.from({ length: Math.max(lefts.length, rights.length) }, (_, index) =>
    (pad(lefts[index] ?? '', from) + (rights[index] ?? '')).trimEnd(),
  ).join('\n');
}

/** The room that a chart of a pair is given; `fill` asks for the full height. */
export interface ChartRoom {
  readonly width: number;
  readonly fill: boolean;
}

/** Draws two charts side by side from 100 columns on, else one under the other. */
export function pairOfCharts(
  width: number,
  left: (room: ChartRoom) => string,
  right: (room: ChartRoom) => string,
): string {
  if (width < 100) return `${left({ width, fill: false })}\n\n${right({ width, fill: false })}`;
  const half = Math.floor((width - GAP) / 2);
  return sideBySide(left({ width: half, fill: true }), right({ width: half, fill: true }), half + GAP);
}
