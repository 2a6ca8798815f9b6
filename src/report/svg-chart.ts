import { optionsOf } from './svg-options.js';
import type { SvgChartSpec } from './svg-spec.js';

/** A chart as a standalone SVG document, the same text for the same input; loads echarts when first called. */
export async function svgChart(spec: SvgChartSpec): Promise<string> {
  // The bundle: one file is read sooner than the 600 that the package is made of.
  const { init } = await import('echarts/dist/echarts.esm.min');
  const size = { width: spec.width ?? 840, height: spec.height ?? 480 };
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...size });
  try {
    chart.setOption(optionsOf(spec));
    return standalone(chart.renderToSVGString(), spec);
  } finally {
    chart.dispose();
  }
}

/**
 * Names the picture for screen readers, gives it ids of its own, and leaves out what serves a live chart alone
 * (hover styles, indices): echarts counts both up from call to call.
 */
function standalone(svg: string, { title, id = 'chart' }: SvgChartSpec): string {
  const text = title.replace(/&/gu, '&amp;').replace(/</gu, '&lt;').replace(/>/gu, '&gt;');
  return svg
    .replace(/ (?:class|ecmeta_\w+)="[^"]*"/gu, '')
    .replace(/<style[^>]*>[^]*?<\/style>\s*/gu, '')
    .replace(/\bzr\d+-/gu, `${id}-`)
    .replace(/<svg([^>]*)>/u, (_, rest) => `<svg${rest} role="img"><title>${text}</title>`);
}
