/** A point of a curve; `y` may be missing (null) or not a number. */
export interface CurvePoint {
  readonly x: number;
  readonly y: number | null;
}

/** A point with finite coordinates. */
export interface FinitePoint {
  readonly x: number;
  readonly y: number;
}

/** The points that can be drawn: null, NaN and infinite coordinates are left out. */
export function finitePoints(points: readonly CurvePoint[]): FinitePoint[] {
  return points.flatMap(({ x, y }) =>
    y !== null && Number.isFinite(y) && Number.isFinite(x) ? [{ x: heldFinite(x), y: heldFinite(y) }] : [],
  );
}

const LARGEST = 1e300;

/** Numbers beyond 1e300 are drawn as that: their differences and sums would be infinite. */
export function heldFinite(value: number): number {
  return Math.min(Math.max(value, -LARGEST), LARGEST);
}

/**
 * One value for each column of a chart: the mean of the points that fall into it, and between points the
 * straight line on the chart (so on a logarithmic axis linear in the logarithm); null before the first and
 * after the last point.
 */
export function resampleToColumns(
  points: readonly FinitePoint[],
  column: (x: number) => number,
  columns: number,
): (number | null)[] {
  const binned = new Map<number, { at: number; y: number }[]>();
  for (const { x, y } of points) {
    const at = column(x);
    const bin = binned.get(Math.round(at));
    if (bin === undefined) binned.set(Math.round(at), [{ at, y }]);
    else bin.push({ at, y });
  }
  const means = new Map<number, { at: number; y: number }>();
  for (const [index, bin] of binned) {
    const mean = (numbers: readonly number[]): number =>
      numbers.reduce((sum, one) => sum + one, 0) / bin.length;
    means.set(index, { at: mean(bin.map(({ at }) => at)), y: mean(bin.map(({ y }) => y)) });
  }
  const placed = [...means.values()].sort((a, b) => a.at - b.at);
  let next = 0;
  return Array.from({ length: columns }, (_, index) => {
    const own = means.get(index);
    if (own !== undefined) return own.y;
    while (next < placed.length && (placed[next]?.at ?? 0) < index) next += 1;
    const [before, after] = [placed[next - 1], placed[next]];
    if (before === undefined || after === undefined) return null;
    // The share first: a product of large numbers would be infinite.
    return before.y + (after.y - before.y) * ((index - before.at) / (after.at - before.at));
  });
}

/** As `resampleToColumns`, but each value holds until the next point: no column has a value that no point has. */
export function holdInColumns(
  points: readonly FinitePoint[],
  column: (x: number) => number,
  columns: number,
): (number | null)[] {
  const placed = points.map(({ x, y }) => ({ at: Math.round(column(x)), y }));
  const last = placed.at(-1)?.at ?? -1;
  let next = 0;
  let held: number | null = null;
  return Array.from({ length: columns }, (_, index) => {
    for (let point = placed[next]; point !== undefined && point.at <= index; point = placed[next]) {
      held = point.y;
      next += 1;
    }
    return index <= last ? held : null;
  });
}

/** Lowest and highest of the numbers, without the argument limit of Math.min; [Infinity, -Infinity] of none. */
export function extent(values: Iterable<number>): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
