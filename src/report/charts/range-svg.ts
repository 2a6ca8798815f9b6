import { counted, formatRate } from '../text/numbers.js';
import { type FindLrView, lossCeiling, medianCurve, rawPoints, suggestedRates } from './range-chart.js';
import { extent } from './resample.js';
import { svgChart } from './svg.js';

/** The range test's chart as a standalone SVG document: raw and smoothed loss, a vertical for each rate. */
export async function rangeSvg(view: FindLrView): Promise<string> {
  const raw = rawPoints(view);
  const [low, high] = extent(raw.map(({ learningRate }) => learningRate));
  const median = raw.length === 0 ? [] : medianCurve(view.curves, low, high);
  const several = view.curves.length > 1;
  const what = view.config?.loss === 'valid' ? 'validation loss' : 'training loss';
  const smoothed = several ? `smoothed, median of ${counted(view.curves.length, 'seed')}` : 'smoothed';
  return svgChart({
    id: 'range-test',
    title: `Learning-rate range test: ${what}`,
    xLabel: 'learning rate',
    yLabel: what,
    xScale: 'log',
    ...(raw.length === 0 ? {} : { yMax: Math.ceil(10 * lossCeiling(median)) / 10 }),
    series: [
      {
        name: 'raw loss',
        kind: 'dots',
        colour: '#999999',
        points: raw.map(({ learningRate, loss }) => ({ x: learningRate, y: loss })),
      },
      {
        name: smoothed,
        points: median.map(({ learningRate, median: loss }) => ({ x: learningRate, y: loss })),
        ...(several
          ? {
              band: median.flatMap(({ learningRate, low: from, high: to }) =>
                from === null || to === null ? [] : [{ x: learningRate, low: from, high: to }],
              ),
            }
          : {}),
      },
    ],
    markers: [
      ...suggestedRates(view).map(({ name, rate }) => ({ x: rate, name: `${name} ${formatRate(rate, 2)}` })),
      ...(view.recommended === null
        ? []
        : [
            {
              x: view.recommended.learningRate,
              name: `recommended ${formatRate(view.recommended.learningRate, 2)}`,
              colour: '#00785a',
            },
          ]),
    ],
  });
}
