/** asciichart 1.5.25 ships no types; this is the part of its one function that is used here. */
declare module 'asciichart' {
  interface PlotConfig {
    readonly min?: number;
    readonly max?: number;
    /** Rows less one over the whole range. */
    readonly height?: number;
    /** Columns before the first segment. */
    readonly offset?: number;
    readonly format?: (value: number) => string;
    /** Ten characters: axis cross, axis, two stubs, horizontal, up-right, down-right, down-left, up-left, vertical. */
    readonly symbols?: readonly string[];
  }
  const asciichart: { plot(series: readonly number[], config?: PlotConfig): string };
  export default asciichart;
}
