/** A straight line through points, with a 95% interval of its slope. */
export interface Line {
  readonly slope: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Ordinary least squares of y on x. The interval widens the usual standard error by the residuals' lag-1 correlation
 * r, as sqrt((1 + r) / (1 - r)): memory is measured again and again before it changes.
 */
export function leastSquares(points: readonly (readonly [number, number])[]): Line {
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const sxx = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / sxx;
  const residuals = points.map(([x, y]) => y - meanY - slope * (x - meanX));
  const squares = residuals.reduce((sum, e) => sum + e * e, 0);
  const lagged = residuals.reduce((sum, e, i) => sum + e * (residuals[i - 1] ?? 0), 0);
  const r = Math.min(0.99, Math.max(0, squares === 0 ? 0 : lagged / squares));
  const error = Math.sqrt((squares / (n - 2) / sxx) * ((1 + r) / (1 - r)));
  return { slope, low: slope - 1.96 * error, high: slope + 1.96 * error };
}
