import { UsageError } from '../errors/errors.js';

/** Refuses a value of a schedule's option: UsageError «option: expected ..., but received ...». */
export function refuse(option: string, value: unknown, expected: string): never {
  throw new UsageError(`${option}: expected ${expected}, but received ${String(value)}.`);
}

/** Throws UsageError unless `value` is a finite learning rate above 0. */
export function expectRate(option: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0)) refuse(option, value, 'a finite learning rate above 0');
}

/** Throws UsageError unless `value` is a finite factor above 0. */
export function expectFactor(option: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0)) refuse(option, value, 'a finite factor above 0');
}

/** Throws UsageError unless `value` is a momentum: at least 0 and below 1. */
export function expectMomentum(option: string, value: number): void {
  if (!(value >= 0 && value < 1)) refuse(option, value, 'a momentum of at least 0 and below 1');
}

/** Throws UsageError unless `value` is a whole number of at least `least`. */
export function expectWhole(option: string, value: number, least: number): void {
  if (!(Number.isSafeInteger(value) && value >= least)) {
    refuse(option, value, `a whole number of at least ${String(least)}`);
  }
}

/**
 * Throws RangeError unless `step` is a whole number from 0 to totalSteps - 1. Asking beyond the plan is a
 * bug of the caller; some schedulers answer with a rate that rises again, or turns negative.
 */
export function expectStep(step: number, totalSteps: number): void {
  if (Number.isSafeInteger(step) && step >= 0 && step < totalSteps) return;
  const last = String(totalSteps - 1);
  throw new RangeError(
    `step ${String(step)} is outside the schedule: expected a whole number from 0 to ${last} (${String(totalSteps)} steps)`,
  );
}
