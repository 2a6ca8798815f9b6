import { fixed, type Decay } from '../schedule/fixed.js';
import { oneCycle } from '../schedule/one-cycle.js';
import type { Schedule } from '../schedule/schedule.js';
import type { RunConfig } from './run-config.js';

/**
 * The schedule of a run. This is where epochs and shares of the budget become steps, once.
 * @param stepsPerEpoch mini-batches in an epoch, the last and smaller one included
 */
export function planSchedule(config: RunConfig, stepsPerEpoch: number): Schedule {
  const totalSteps = config.epochs * stepsPerEpoch;
  if (config.policy === '1cycle') {
    const [maxMomentum, baseMomentum] = config.momentumRange;
    return oneCycle({
      totalSteps,
      maxLr: config.lr,
      pctStart: config.pctStart,
      divFactor: config.divFactor,
      finalDivFactor: config.finalDivFactor,
      maxMomentum,
      baseMomentum,
      anneal: config.anneal,
      threePhase: config.threePhase,
    });
  }
  const decay = planDecay(config, totalSteps, stepsPerEpoch);
  return fixed({ totalSteps, learningRate: config.lr, momentum: config.momentum, decay });
}

function planDecay(config: RunConfig, totalSteps: number, stepsPerEpoch: number): Decay {
  switch (config.decay) {
    case 'none':
      return { kind: 'none' };
    case 'step':
      return { kind: 'step', at: cutSteps(config, totalSteps, stepsPerEpoch), factor: config.decayFactor };
    case 'exponential':
      return { kind: 'exponential', factor: config.decayFactor, stepsPerEpoch };
    case 'cosine':
      return { kind: 'cosine', stepsPerEpoch };
    case 'plateau':
      return { kind: 'plateau', factor: config.decayFactor, patience: config.patience };
  }
}

function cutSteps(
  { decayAt, decayEvery, epochs }: RunConfig,
  totalSteps: number,
  stepsPerEpoch: number,
): number[] {
  if (decayEvery === null) return [...new Set(decayAt.map((share) => Math.round(share * totalSteps)))];
  const cuts = Math.ceil(epochs / decayEvery) - 1;
  return Array.from({ length: cuts }, (_, i) => (i + 1) * decayEvery * stepsPerEpoch);
}
