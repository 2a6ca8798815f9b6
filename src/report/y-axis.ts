import { tickFormat } from './tick-format.js';

/** The rows of a chart as values, counted from the bottom. */
export interface YAxis {
  readonly rows: number;
  /** Fractional row of a value, 0 at the bottom row's centre. */
  row(value: number): number;
  /** Label of each row from the bottom, an empty text where it has none. */
  readonly labels: readonly string[];
}

interface Candidate {
  readonly unit: number;
  readonly divisions: number;
  readonly first: number;
  readonly last: number;
  readonly score: number;
}

const MANTISSAS = [1, 2, 2.5, 5];
// A hair's breadth, so that 0.3 / 0.1 is three rows and not four.
const SLACK = 1e-9;

/**
 * Chooses rows so that every labelled one stands for a round number exactly: the labels are multiples of
 * 1, 2, 2.5 or 5 times a power of ten, with one to five rows from label to label, and of these the choice
 * that uses most of `maxRows`. A constant gets rows around it.
 */
export function yAxis(low: number, high: number, maxRows: number): YAxis {
  const flat = high - low <= 1e-9 * Math.max(Math.abs(low), Math.abs(high));
  const margin = low === 0 ? 1 : Math.abs(low) * 0.2;
  const [from, to] = flat ? [low - margin, high + margin] : [low, high];
  const rows = flat ? Math.min(maxRows, 5) : maxRows;
  // With three rows to spend, a unit as large as the range always fits.
  const { unit, divisions, first, last } = candidates(from, to, Math.max(3, rows)).reduce((best, other) =>
    other.score > best.score ? other : best,
  );
  const step = unit / divisions;
  const format = tickFormat(unit, Math.max(Math.abs(first), Math.abs(last)) * step);
  return {
    rows: last - first + 1,
    row: (value) => value / step - first,
    labels: Array.from({ length: last - first + 1 }, (_, row) => {
      const index = first + row;
      return index % divisions === 0 ? format((index / divisions) * unit) : '';
    }),
  };
}

function candidates(low: number, high: number, maxRows: number): Candidate[] {
  const exponent = Math.floor(Math.log10(high - low));
  const found: Candidate[] = [];
  for (let power = exponent - 2; power <= exponent + 1; power++) {
    for (const mantissa of MANTISSAS) {
      for (let divisions = 1; divisions <= 5; divisions++) {
        const unit = mantissa * 10 ** power;
        const step = unit / divisions;
        const first = Math.floor(low / step + SLACK);
        const last = Math.ceil(high / step - SLACK);
        const rows = last - first + 1;
        if (rows < 2 || rows > maxRows) continue;
        const labels = Math.floor(last / divisions) - Math.ceil(first / divisions) + 1;
        const score =
          rows / maxRows -
          (labels < 2 ? 1 : labels < 3 ? 0.25 : 0) -
          (divisions === 1 && rows > 6 ? 0.35 : 0) -
          (mantissa === 2.5 ? 0.06 : 0);
        found.push({ unit, divisions, first, last, score });
      }
    }
  }
  return found;
}
