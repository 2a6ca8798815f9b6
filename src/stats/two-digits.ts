/** A number for a sentence: rounded to two significant digits, as 0.012, 2.3e-4 or 150. */
export function twoDigits(value: number): string {
  const short = Number(value.toPrecision(2));
  const plain = short === 0 || (Math.abs(short) >= 0.01 && Math.abs(short) < 1e4);
  return plain ? String(short) : short.toExponential();
}
