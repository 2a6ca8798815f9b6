import { performance } from 'node:perf_hooks';
import type { RunState } from '../training/run-state.js';

/** At most about this much work is at risk when the power goes. */
const SECONDS_AT_RISK = 30;

/** Overrides the seconds at risk, so that tests of kills meet many checkpoints: 0 writes one after every step. */
const OVERRIDE = 'ONECYCLE_CHECKPOINT_SECONDS';

/** Work that cannot be saved in its middle. */
type Work = 'step' | 'evaluation';

/** Wall-clock time of the epoch and of the run, across resumes, and when the next checkpoint is due. */
export interface RunClock {
  read(): Pick<RunState, 'epochSeconds' | 'seconds'>;
  nextEpoch(): void;
  begin(work: Work): void;
  end(work: Work): void;
  /** Whether too much would be at risk if `work` took as long as the last time and nothing were saved before. */
  isDueBefore(work: Work): boolean;
  /** Says that everything up to now is on the disk. */
  saved(): void;
}

/** Starts the clock of a run that has spent some time already. */
export function startClock(state: Pick<RunState, 'epochSeconds' | 'seconds'>): RunClock {
  const atRisk = 1000 * Number(process.env[OVERRIDE] ?? SECONDS_AT_RISK);
  const started = performance.now();
  const begun: Record<Work, number> = { step: started, evaluation: started };
  const lasted: Record<Work, number> = { step: 0, evaluation: 0 };
  let epochStarted = started;
  let epochBefore = state.epochSeconds;
  let lastSaved = started;
  return {
    read: () => ({
      epochSeconds: epochBefore + (performance.now() - epochStarted) / 1000,
      seconds: state.seconds + (performance.now() - started) / 1000,
    }),
    nextEpoch() {
      epochStarted = performance.now();
      epochBefore = 0;
    },
    begin: (work) => void (begun[work] = performance.now()),
    end: (work) => void (lasted[work] = performance.now() - begun[work]),
    isDueBefore: (work) => performance.now() - lastSaved + lasted[work] >= atRisk,
    saved: () => void (lastSaved = performance.now()),
  };
}
