import type { RunConfig } from '../config/run-config.js';
import type { StoppableSchedule } from '../schedule/stoppable.js';
import type { StepRecord } from '../training/records.js';

/** A run before it is trained: the resolved configuration and the rates of every step to come. */
export interface TrainPlan {
  readonly config: RunConfig;
  readonly stepsPerEpoch: number;
  /** Steps that a resumed run has taken already. */
  readonly trained: number;
  readonly steps: readonly Pick<StepRecord, 'step' | 'epoch' | 'learningRate' | 'momentum'>[];
}

/** Walks a schedule from step `trained` to its end without training; what validation may change stays as it is. */
export function planFrom(
  config: RunConfig,
  schedule: StoppableSchedule,
  stepsPerEpoch: number,
  { trained, state }: { readonly trained: number; readonly state: unknown },
): TrainPlan {
  const steps = Array.from({ length: Math.max(0, schedule.end(state) - trained) }, (_, i) => {
    const step = trained + i;
    return { step, epoch: 1 + Math.floor(step / stepsPerEpoch), ...schedule.at(state, step) };
  });
  return { config, stepsPerEpoch, trained, steps };
}
