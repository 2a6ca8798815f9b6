import type { RunConfig } from '../config/run-config.js';
import type { RunEvent } from '../record/run-layout.js';
import { SCHEMA_VERSION } from '../record/schema-version.js';
import type { StoppableSchedule } from '../schedule/stoppable.js';
import type { EpochRecord } from '../training/records.js';
import type { BestEpoch } from '../training/run-state.js';
import { datasetSummary, type DatasetSummary } from './dataset-document.js';
import type { RunEnvironment } from './environment.js';
import type { Divergence, RunEnd } from './training-run.js';
import type { Workbench } from './workbench.js';

/** `train`'s JSON document, which is also the run's result.json. */
export interface TrainDocument {
  readonly schemaVersion: number;
  readonly command: 'train';
  readonly status: RunEnd['status'];
  readonly run: string;
  readonly policy: RunConfig['policy'];
  readonly config: RunConfig;
  readonly environment: RunEnvironment;
  readonly dataset: DatasetSummary;
  readonly seconds: number;
  readonly epochs: readonly EpochRecord[];
  /** Null where no epoch was finished. */
  readonly best: BestEpoch | null;
  readonly final: BestEpoch | null;
  readonly failure: Divergence | null;
  /** Null where the run took all its planned steps, or has not ended. */
  readonly stoppedEarly: { readonly epoch: number; readonly reason: string } | null;
  /** What changed the run's course, as in events.jsonl. */
  readonly events: readonly RunEvent[];
}

/** Says how a run ended. */
export function trainDocument(
  dir: string,
  bench: Workbench,
  config: RunConfig,
  environment: RunEnvironment,
  schedule: StoppableSchedule,
  { status, state, failure }: RunEnd,
): TrainDocument {
  const cut = status === 'completed' && schedule.end(state.scheduleState) < schedule.totalSteps;
  const reason = state.events.findLast(({ type }) => type === 'early-stop')?.text ?? '';
  return {
    schemaVersion: SCHEMA_VERSION,
    command: 'train',
    status,
    run: dir,
    policy: config.policy,
    config,
    environment,
    dataset: datasetSummary(bench),
    seconds: state.seconds,
    epochs: state.epochs,
    best: state.best,
    final: lastEpoch(state.epochs),
    failure,
    stoppedEarly: cut ? { epoch: state.epochs.length, reason } : null,
    events: state.events,
  };
}

function lastEpoch(epochs: readonly EpochRecord[]): BestEpoch | null {
  const last = epochs.at(-1);
  if (last === undefined) return null;
  const { epoch, validAccuracy, correct, total, validLoss } = last;
  return { epoch, validAccuracy, correct, total, validLoss };
}
