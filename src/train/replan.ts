import type { Replan, RunConfig } from '../config/run-config.js';
import { UsageError } from '../errors.js';
import type { StoppableSchedule } from '../schedule/early-stop.js';
import type { RunState } from './run-state.js';

/**
 * The configuration of a run that is to go on for `epochs` in all: from `step` on it has the rates that a run of so
 * many epochs has there. Throws UsageError where that are no more epochs than planned.
 */
export function extendedConfig(config: RunConfig, epochs: number, step: number): RunConfig {
  if (epochs <= config.epochs) {
    throw new UsageError(
      `Expected more than the ${config.epochs} epochs that the run is planned for in --extend-to but received ${epochs}.`,
    );
  }
  const replan: Replan = { step, fromEpochs: config.epochs, toEpochs: epochs };
  return Object.freeze({ ...config, epochs, replans: [...(config.replans ?? []), replan] });
}

/**
 * Makes those of the configuration's replans that the state does not know yet. Throws UsageError where the run has
 * gone on since its extension was planned.
 */
export function applyReplans(
  dir: string,
  state: RunState,
  config: RunConfig,
  schedule: StoppableSchedule,
): RunState {
  return (config.replans ?? []).slice(state.replans).reduce((before, { step, fromEpochs, toEpochs }) => {
    if (step !== before.step) {
      throw new UsageError(
        `${dir} was to be extended from step ${step} on but stands at step ${before.step}: another process trained it. Try again.`,
      );
    }
    const text = `Extended from ${fromEpochs} to ${toEpochs} epochs: from step ${step} on the rates are those of a run of ${toEpochs} epochs.`;
    return {
      ...before,
      scheduleState: schedule.reopen(before.scheduleState),
      events: [...before.events, { type: 'extended' as const, step, epoch: before.epochs.length, text }],
      replans: before.replans + 1,
    };
  }, state);
}
