import { extent } from './extent.js';
import { finitePoints } from './resample.js';
import type { SvgChartSpec } from './svg-spec.js';

// Width of a letter at the labels' size in pixels, generously.
const LETTER = 7;

/** By the x of each marker how many lines up its label stands: above those of its left neighbours that it would touch. */
export function labelLevels({
  series,
  markers = [],
  xScale,
  width = 840,
}: SvgChartSpec): Map<number, number> {
  const place = xScale === 'log' ? Math.log10 : (x: number): number => x;
  const [low, high] = extent(series.flatMap(({ points }) => finitePoints(points).map(({ x }) => place(x))));
  const levels = new Map<number, number>();
  const ends: number[] = [];
  for (const { x, name } of markers.toSorted((a, b) => a.x - b.x)) {
    const centre = ((place(x) - low) / (high - low || 1)) * (width - 108);
    const half = (name.length * LETTER) / 2;
    const free = ends.findIndex((end) => end < centre - half);
    const level = free < 0 ? ends.length : free;
    ends[level] = centre + half;
    levels.set(x, level);
  }
  return levels;
}
