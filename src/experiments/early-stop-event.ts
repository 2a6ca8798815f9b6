import type { RunConfig } from '../config/run-config.js';
import type { RunEvent } from '../record/run-layout.js';
import type { EarlyStopDecision, StoppableSchedule } from '../schedule/stoppable.js';
import type { EpochRecord } from '../training/records.js';
import type { RunState } from '../training/run-state.js';

/** The event of an epoch after which early stopping decided something; null after all others. */
export function earlyStopEvent(
  config: RunConfig,
  schedule: StoppableSchedule,
  { scheduleState, step }: RunState,
  record: EpochRecord,
): RunEvent | null {
  const decision = schedule.decision(schedule.observe(scheduleState, record));
  if (decision === null || schedule.decision(scheduleState) !== null) return null;
  return { type: 'early-stop', step, epoch: record.epoch, text: explain(decision, config) };
}

function explain({ epoch, badEpochs, best, action }: EarlyStopDecision, config: RunConfig): string {
  const why = `no better validation loss than ${best.toPrecision(4)} in ${badEpochs} ${badEpochs === 1 ? 'epoch' : 'epochs'}`;
  switch (action) {
    case 'stop':
      return `${why}: stopped after epoch ${epoch} of ${config.epochs}.`;
    case 'anneal':
      return `${why}: after epoch ${epoch} of ${config.epochs} the rate anneals to its final value within one epoch, and that is the last.`;
    case 'none':
      return config.onStop === 'wait'
        ? `${why} after epoch ${epoch}: --early-stop has no effect, for --on-stop wait never cuts a cycle.`
        : `${why} after epoch ${epoch}: the cycle ends within one epoch anyway, and goes on as planned.`;
  }
}
