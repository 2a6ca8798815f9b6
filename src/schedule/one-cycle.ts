import {
  annealings,
  type AnnealName,
  expectFactor,
  expectMomentum,
  expectRate,
  expectStep,
  expectWhole,
  refuse,
  type Schedule,
  ScheduleError,
} from './schedule.js';

/** What shapes a 1cycle schedule; only the budget and the maximum rate have no default. */
export interface OneCycleOptions {
  /** Mini-batches of the whole run. */
  readonly totalSteps: number;
  readonly maxLr: number;
  /** Share of the steps that the warm-up takes, above 0 and below 1 [0.3]. */
  readonly pctStart?: number;
  /** The first rate is maxLr / divFactor; at least 1 [25]. */
  readonly divFactor?: number;
  /** The last rate is maxLr / divFactor / finalDivFactor; it must not exceed maxLr [1e4]. */
  readonly finalDivFactor?: number;
  /** Momentum where the rate is highest [0.85]. */
  readonly baseMomentum?: number;
  /** Momentum at both ends [0.95]. */
  readonly maxMomentum?: number;
  readonly anneal?: AnnealName;
  /** Warm-up, its mirror image, then a final descent, instead of warm-up and descent. */
  readonly threePhase?: boolean;
  /**
   * Where the phases lie among the steps. `torch`: the last step has the final rate, and phases meet at
   * pctStart x totalSteps - 1. `fastai`: phases meet at pctStart x totalSteps, and the final rate would be
   * reached one step after the last.
   */
  readonly convention?: 'torch' | 'fastai';
}

interface Phase {
  /** Fractional step at which the phase ends. */
  readonly end: number;
  readonly learningRate: number;
  readonly momentum: number;
}

/**
 * The 1cycle policy: the rate rises from maxLr / divFactor to maxLr and falls far below where it began,
 * while momentum goes the other way (Smith and Topin, arXiv 1708.07120; momentum: Smith, arXiv 1803.09820).
 *
 * Step for step equal to torch's OneCycleLR, fractional phase boundaries included, so that the maximum may
 * lie between two steps. Throws ScheduleError for options out of range and for cycles that have no warm-up or
 * no final descent. Never reacts to validation: its state is null.
 */
export function oneCycle(options: OneCycleOptions): Schedule<null> {
  const { totalSteps, maxLr, divFactor = 25, finalDivFactor = 1e4 } = options;
  const { baseMomentum = 0.85, maxMomentum = 0.95 } = options;
  const anneal = annealings[options.anneal ?? 'cos'];

  expectWhole('totalSteps', totalSteps, 1);
  expectRate('maxLr', maxLr);
  expectCycleFactors(divFactor, finalDivFactor);
  expectMomentum('baseMomentum', baseMomentum);
  expectMomentum('maxMomentum', maxMomentum);
  if (baseMomentum > maxMomentum) {
    refuse('baseMomentum', baseMomentum, (nameOf) => `at most ${nameOf('maxMomentum')} (${maxMomentum})`);
  }

  const initial = { learningRate: maxLr / divFactor, momentum: maxMomentum };
  const peak = { learningRate: maxLr, momentum: baseMomentum };
  const final = { learningRate: initial.learningRate / finalDivFactor, momentum: maxMomentum };
  const ends = phaseEnds(options);
  const phases: readonly Phase[] = ends.map((end, i) => {
    const target = i === 0 ? peak : i === ends.length - 1 ? final : initial;
    return { end, ...target };
  });

  return {
    totalSteps,
    initialState: null,
    at(_state, step) {
      expectStep(step, totalSteps);
      let start = 0;
      let from = initial;
      for (const phase of phases) {
        if (step <= phase.end) {
          const fraction = (step - start) / (phase.end - start);
          return {
            learningRate: anneal(from.learningRate, phase.learningRate, fraction),
            momentum: anneal(from.momentum, phase.momentum, fraction),
          };
        }
        start = phase.end;
        from = phase;
      }
      return final;
    },
    observe: (state) => state,
  };
}

function expectCycleFactors(divFactor: number, finalDivFactor: number): void {
  expectFactor('divFactor', divFactor);
  if (divFactor < 1)
    refuse(
      'divFactor',
      divFactor,
      (nameOf) => `at least 1, since the cycle begins at ${nameOf('maxLr')} / ${nameOf('divFactor')}`,
    );
  expectFactor('finalDivFactor', finalDivFactor);
  if (divFactor * finalDivFactor < 1) {
    refuse(
      'finalDivFactor',
      finalDivFactor,
      (nameOf) =>
        `at least 1 / ${nameOf('divFactor')} (${1 / divFactor}), since the cycle must not end above ${nameOf('maxLr')}`,
    );
  }
}

/** Fractional steps at which the two or three phases end. Throws ScheduleError where one would have no width. */
function phaseEnds(options: OneCycleOptions): readonly number[] {
  const { totalSteps, pctStart = 0.3, threePhase = false, convention = 'torch' } = options;
  if (!(pctStart > 0 && pctStart < 1)) refuse('pctStart', pctStart, 'a share above 0 and below 1');

  // torch counts a phase of n steps as ending on its last step, fastai as ending where the next begins.
  const shift = convention === 'torch' ? 1 : 0;
  const last = totalSteps - shift;
  const warmUp = pctStart * totalSteps - shift;
  const product = (name: string) =>
    `${name} x steps = ${pctStart} x ${totalSteps} = ${rounded(pctStart * totalSteps)}`;
  // Products such as 0.1 x 30 miss the whole number by a rounding error, which is no width.
  const noise = 1e-9 * totalSteps;
  if (pctStart * totalSteps < 1 + shift * noise) {
    throw new ScheduleError((nameOf) => {
      const name = nameOf('pctStart');
      return (
        `${name}: the 1cycle schedule has no warm-up, for ${product(name)}; expected more than 1 step. ` +
        `Train for more steps${totalSteps > 1 ? `, or raise ${name} above ${rounded(1 / totalSteps)}` : ''}.`
      );
    });
  }
  if (!threePhase) return [warmUp, last];

  const mirror = 2 * pctStart * totalSteps - 2 * shift;
  if (mirror >= last - noise) {
    throw new ScheduleError((nameOf) => {
      const name = nameOf('pctStart');
      return (
        `${name}: the three-phase 1cycle schedule never anneals, for ${product(name)}, and warm-up and its mirror ` +
        `image end at step ${rounded(mirror)}; expected an end before step ${last}. ` +
        `Lower ${name} below 0.5, or use two phases.`
      );
    });
  }
  return [warmUp, mirror, last];
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(4)));
}
