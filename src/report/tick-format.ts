/** Decimal places that a multiple of `unit` needs (0.25 needs two), at most 12. */
function decimalsOf(unit: number): number {
  for (let decimals = 0; decimals < 12; decimals++) {
    const scaled = unit * 10 ** decimals;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6 * scaled) return decimals;
  }
  return 12;
}

/** Drops the zeros at the end of a fraction: 1.50 becomes 1.5, and 2.00 becomes 2. */
export function trimZeros(digits: string): string {
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
