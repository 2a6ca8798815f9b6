import { rangeChart, type RangeTest } from './range-test.js';
import { svgChart } from './svg.js';

/** The range test's chart as a standalone SVG document. */
export function rangeSvg(test: RangeTest): string {
  return svgChart(rangeChart(test), { width: 840, height: 480 });
}
