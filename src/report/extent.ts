/** Lowest and highest of the numbers, without the argument limit of Math.min; [Infinity, -Infinity] of none. */
export function extent(values: Iterable<number>): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
