import { wholeNumber } from '../../printable.js';
import type { VarianceShares } from '../../stats/crossed.js';

export { counted } from '../../printable.js';

/** What stands where there is no number: missing, NaN or infinite. */
export const MISSING = '–';

type Maybe = number | null | undefined;

function known(value: Maybe): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** A learning rate or another number of any size: 5e-4, 1.2e-3, 0.35, 10. */
export function formatRate(rate: Maybe, significant = 3): string {
  if (!known(rate)) return MISSING;
  if (rate === 0) return '0';
  const size = Math.abs(rate);
  const digits = rate.toPrecision(significant);
  return size < 0.1 || digits.includes('e') ? exponential(rate, significant) : trimZeros(digits);
}

/** A learning rate or a momentum, or the lowest and the highest of several: 1e-3, 1e-3 to 2e-3. */
export function formatRates(lowest: Maybe, highest: Maybe): string {
  return [...new Set([formatRate(lowest), formatRate(highest)])].join(' to ');
}

/** A number for a sentence: rounded to two significant digits, as 0.012, 2.3e-4 or 150. */
export function twoDigits(value: number): string {
  const short = Number(value.toPrecision(2));
  const plain = short === 0 || (Math.abs(short) >= 0.01 && Math.abs(short) < 1e4);
  return plain ? String(short) : short.toExponential();
}

/** A fraction with a fixed number of decimals: 0.735. */
export function formatFraction(value: Maybe, decimals = 3): string {
  return known(value) ? toDecimals(value, decimals) : MISSING;
}

/** Halves go up, as with 253/400 = 0.6325, whose binary number is just below: 0.633, as 63.25% becomes 63.3%. */
export function toDecimals(value: number, decimals: number): string {
  const scale = 10 ** decimals;
  const size = Math.round(Math.abs(value) * scale * (1 + 1e-12)) / scale;
  return (value < 0 ? -size : size).toFixed(decimals);
}

/** A loss with three decimals, and from 10,000 on in exponential form: 1.234, 5.7e13. */
export function formatLoss(loss: Maybe): string {
  return known(loss) && Number(loss.toFixed(3)) >= 1e4 ? exponential(loss, 3) : formatFraction(loss);
}

/** An accuracy with the counts behind it: 0.735 (294/400). */
export function formatAccuracy(correct: number, total: number): string {
  return total > 0 ? `${formatFraction(correct / total)} (${correct}/${total})` : `${MISSING} (0/0)`;
}

/** A difference of two accuracies in percentage points, with its sign: +1.9, -0.3. */
export function formatPoints(difference: Maybe, decimals = 1): string {
  if (!known(difference)) return MISSING;
  const points = toDecimals(100 * difference, decimals);
  if (Number(points) === 0) return toDecimals(0, decimals);
  return difference > 0 ? `+${points}` : points;
}

/**
 * Decimals (1 to 3) of percentage points that belong together: so many that none of the differences is written as zero that is
 * not zero, as an interval from «0.0» would seem to contain it.
 */
export function pointDecimals(...differences: readonly Maybe[]): number {
  const hidden = (decimals: number) =>
    differences.some(
      (one) => known(one) && Math.abs(one) > NOTHING && Number(formatPoints(one, decimals)) === 0,
    );
  return [1, 2].find((decimals) => !hidden(decimals)) ?? 3;
}

/** Differences of accuracies that are rounding errors. */
const NOTHING = 1e-9;

/** A duration: 350 ms, 4.2 s, 42 s, 1 m 23 s, 2 h 05 m. */
export function formatDuration(seconds: Maybe): string {
  if (!known(seconds)) return MISSING;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (part: number): string => String(part).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${two(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`;
}

/** A size in decimal units: 812 B, 4.2 kB, 13 MB, 1.1 GB. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const size = bytes / 1000 ** power;
  return `${size.toFixed(power === 0 || size >= 9.95 ? 0 : 1)} ${units[power] ?? ''}`;
}

/** A whole number with commas between thousands: 12,345. */
export function formatCount(count: Maybe): string {
  return known(count) ? wholeNumber(count) : MISSING;
}

/** An interval in brackets, a dash where a side is missing: [0.689, 0.776]. */
export function formatInterval(
  low: Maybe,
  high: Maybe,
  format: (value: Maybe) => string = formatFraction,
): string {
  return known(low) && known(high) ? `[${format(low)}, ${format(high)}]` : MISSING;
}

/** Mean and standard deviation: 0.737 ± 0.005; the mean alone where there is no deviation. */
export function formatMeanSd(
  mean: Maybe,
  sd: Maybe,
  format: (value: Maybe) => string = formatFraction,
): string {
  return known(mean) && known(sd) ? `${format(mean)} ± ${format(sd)}` : format(mean);
}

/** Shares of a variance in percent: of seeds, images and single answers. */
export function formatShares(shares: VarianceShares | null): string {
  if (shares === null) return MISSING;
  const percents = [shares.seeds, shares.images, shares.residual].map((share) => 100 * share);
  // Rounded so that they add up to what they do: what rounding down leaves goes to the largest fractions.
  const rounded = percents.map(Math.floor);
  const left =
    Math.round(percents.reduce((sum, one) => sum + one, 0)) - rounded.reduce((sum, one) => sum + one, 0);
  const byFraction = [0, 1, 2].sort((a, b) => fractionOf(percents[b]) - fractionOf(percents[a]));
  for (const at of byFraction.slice(0, left)) rounded[at] = (rounded[at] ?? 0) + 1;
  return `${rounded.join('/')}%`;
}

const fractionOf = (value = 0) => value - Math.floor(value);

/** A p-value: 0.031, and < 0.001 below that. */
export function formatPValue(p: Maybe): string {
  if (!known(p)) return MISSING;
  return p < 0.001 ? '< 0.001' : p.toFixed(3);
}

/** Decimal places that a multiple of `unit` needs (0.25 needs two), at most 12. */
function decimalsOf(unit: number): number {
  for (let decimals = 0; decimals < 12; decimals++) {
    const scaled = unit * 10 ** decimals;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6 * scaled) return decimals;
  }
  return 12;
}

/** Drops the zeros at the end of a fraction: 1.50 becomes 1.5, and 2.00 becomes 2. */
function trimZeros(digits: string): string {
  return digits.includes('.') ? digits.replace(/\.?0+$/u, '') : digits;
}

/** A number in short exponential form with at most `significant` digits: 5e-4, 1.2e-3, -3e5. */
export function exponential(value: number, significant: number): string {
  const [mantissa = '', exponent = ''] = value.toExponential(Math.max(0, significant - 1)).split('e');
  return `${trimZeros(mantissa)}e${exponent.replace('+', '')}`;
}

/**
 * Labels of an axis whose marks are multiples of `unit`: as many decimals as the unit needs (0.75, 0.80), and
 * the exponential form where all are below 0.01 or one has six digits before the point (1.2e-4).
 */
export function tickFormat(unit: number, largest: number): (value: number) => string {
  if (largest >= 0.01 && largest < 1e5) {
    const decimals = decimalsOf(unit);
    return (value) => (Math.abs(value) < unit / 2 ? 0 : value).toFixed(decimals);
  }
  return (value) => {
    if (Math.abs(value) < unit / 2) return '0';
    const magnitude = Math.floor(Math.log10(Math.abs(value)) + 1e-9);
    const last = Math.floor(Math.log10(unit) + 1e-9);
    const unitDigits = decimalsOf(unit / 10 ** last);
    return exponential(value, Math.max(1, magnitude - last + unitDigits + 1));
  };
}
