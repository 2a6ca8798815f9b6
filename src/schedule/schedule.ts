import { UsageError } from '../errors.js';

/** What the optimizer is told before one mini-batch. */
export interface Rates {
  readonly learningRate: number;
  readonly momentum: number;
}

/** What a schedule may react to: the validation results of one epoch (epochs count from 1). */
interface EpochObservation {
  readonly epoch: number;
  readonly validLoss: number;
  readonly validAccuracy: number;
}

/**
 * A plan of learning rate and momentum over a known number of mini-batch steps.
 *
 * Pure: `at` answers from the state and the step alone, `observe` gives the next state and is the
 * identity for every schedule that does not react to validation results. The state is plain JSON, so
 * that a checkpoint can hold it.
 */
export interface Schedule<State = unknown> {
  readonly totalSteps: number;
  readonly initialState: State;
  /** Throws RangeError for a step outside 0 to totalSteps - 1. */
  at(state: State, step: number): Rates;
  observe(state: State, epoch: EpochObservation): State;
}

/** Says something about a schedule's options, with the names by which the reader knows them. */
type Told = (nameOf: (option: string) => string) => string;

/** A schedule that cannot be made from its options; `told` says why to a reader who knows them by other names. */
export class ScheduleError extends UsageError {
  constructor(readonly told: Told) {
    super(told((option) => option));
  }
}

/** Refuses a value of a schedule's option: ScheduleError «option: expected ..., but received ...». */
export function refuse(option: string, value: unknown, expected: string | Told): never {
  throw new ScheduleError((nameOf) => {
    const wanted = typeof expected === 'string' ? expected : expected(nameOf);
    return `${nameOf(option)}: expected ${wanted}, but received ${String(value)}.`;
  });
}

/** Throws ScheduleError unless `value` is a finite learning rate above 0. */
export function expectRate(option: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0)) refuse(option, value, 'a finite learning rate above 0');
}

/** Throws ScheduleError unless `value` is a finite factor above 0. */
export function expectFactor(option: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0)) refuse(option, value, 'a finite factor above 0');
}

/** Throws ScheduleError unless `value` is a momentum: at least 0 and below 1. */
export function expectMomentum(option: string, value: number): void {
  if (!(value >= 0 && value < 1)) refuse(option, value, 'a momentum of at least 0 and below 1');
}

/** Throws ScheduleError unless `value` is a whole number of at least `least`. */
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

/** Goes from `start` to `end` as `fraction` goes from 0 to 1; exactly `start` at 0 and `end` at 1. */
type Anneal = (start: number, end: number, fraction: number) => number;

/** Half a cosine wave: flat, steep, flat (Loshchilov and Hutter, arXiv 1608.03983, equation 5). */
export const cosine: Anneal = (start, end, fraction) =>
  linear(start, end, (1 - Math.cos(Math.PI * fraction)) / 2);

/** A straight line (Smith, arXiv 1506.01186, section 3.1). */
export const linear: Anneal = (start, end, fraction) =>
  // Measured from the nearer end: a rate that falls by many orders of magnitude ends on its final value to
  // the last bit, never below zero, and two equal ends give a constant.
  fraction < 0.5 ? start + (end - start) * fraction : end + (start - end) * (1 - fraction);

/** The annealings by the names that options give them. */
export const annealings = { cos: cosine, linear } as const;

/** The name of an annealing, as in `--anneal`. */
export type AnnealName = keyof typeof annealings;
