import type { CurvePoint } from './resample.js';

/** A curve or a cloud of points. */
export interface SvgSeries {
  readonly name: string;
  readonly points: readonly CurvePoint[];
  /** Joined points [line], or a dot for each. */
  readonly kind?: 'line' | 'dots';
  /** A CSS colour; by default one of six that colour-blind readers can tell apart. */
  readonly colour?: string;
  /** A shaded area behind the curve, such as from the lowest to the highest seed. */
  readonly band?: readonly { readonly x: number; readonly low: number; readonly high: number }[];
}

/** What `svgChart` draws; sizes in pixels. */
export interface SvgChartSpec {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** [linear] */
  readonly xScale?: 'linear' | 'log';
  readonly series: readonly SvgSeries[];
  /** Labelled verticals. */
  readonly markers?: readonly { readonly x: number; readonly name: string; readonly colour?: string }[];
  readonly width?: number;
  readonly height?: number;
  /** Highest value shown on the y axis; curves are clipped there. */
  readonly yMax?: number;
  /** Begins the ids and class names inside, which must differ between charts of one HTML page ["chart"]. */
  readonly id?: string;
}
