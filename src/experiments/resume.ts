import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { GivenSettings } from '../config/options.js';
import { planSchedule } from '../config/plan-schedule.js';
import type { RunConfig } from '../config/run-config.js';
import { UsageError } from '../errors/errors.js';
import { readNewestCheckpoint } from '../record/read-checkpoint.js';
import { readRun, type RunRecord } from '../record/read-run.js';
import { RUN_FILES } from '../record/run-layout.js';
import type { RunState } from '../training/run-state.js';
import { applyReplans, extendedConfig } from './replan-run.js';
import { recordedRunConfig, refuseContradictions, settingsOf } from './resume-config.js';
import { refuseChangedData } from './resume-data.js';
import { lastBackend } from './resume-environment.js';
import { unpackCheckpoint } from './run-checkpoint.js';
import type { TrainRequest } from './train.js';
import type { TrainDocument } from './train-document.js';
import { trainRun } from './train-run.js';
import { planFrom, type TrainPlan } from './training-plan.js';
import { openWorkbench } from './open-workbench.js';
import { stepsPerEpoch, wholeBench, type Workbench } from './workbench.js';

/** A recorded run that may go on. */
export interface ResumableRun {
  readonly record: RunRecord;
  readonly config: RunConfig;
  /** The backend it was last trained on, where that is known. */
  readonly backend: string | undefined;
  /** As the user gave them: they say where data and weights lie now. */
  readonly given: GivenSettings;
}

/** What a resume tells before it goes on. */
export interface ResumeRequest extends TrainRequest {
  /** Called with the new plan of a run that is extended. */
  readonly showPlan: (plan: TrainPlan) => void;
}

/**
 * Reads the run that `--resume` names. Throws UsageError where it is none, contradicts what was given, has ended, or
 * failed.
 */
export async function openResumable(dir: string, given: GivenSettings): Promise<ResumableRun> {
  const record = await readRun(dir);
  const config = recordedRunConfig(record.config, join(dir, RUN_FILES.config));
  refuseContradictions(dir, config, given);
  if (record.status === 'failed') {
    throw new UsageError(
      `${dir} diverged, and would do so again: a resumed run takes the same steps. Start a new one with a lower --lr.`,
    );
  }
  if (record.status === 'completed' && given.extendTo === undefined) {
    throw new UsageError(
      `${dir} is completed: there is nothing left to train. --extend-to EPOCHS plans more than its ${config.epochs} epochs.`,
    );
  }
  return { record, config, backend: lastBackend(record.environment), given };
}

/** `onecycle train --resume RUN`: goes on from the newest checkpoint as if the run had never been interrupted. */
export async function resumeTraining(run: ResumableRun, request: ResumeRequest): Promise<TrainDocument> {
  return withPlan(run, request, async (bench, plan) => {
    const { settings, showPlan } = request;
    if (settings.extendTo !== undefined) showPlan(plan);
    const workers = settings.workers ?? availableParallelism();
    return trainRun(
      wholeBench(bench),
      plan.config,
      { ...request, out: settings.out, workers },
      run.record.dir,
    );
  });
}

/** What `--resume RUN --dry-run` shows: the steps that are left; nothing is changed. */
export async function planResume(run: ResumableRun, request: TrainRequest): Promise<TrainPlan> {
  return withPlan(run, request, async (_, plan) => plan);
}

async function withPlan<Result>(
  { record, config, given }: ResumableRun,
  request: TrainRequest,
  work: (bench: Workbench, plan: TrainPlan) => Promise<Result>,
): Promise<Result> {
  const { dir } = record;
  const settings = settingsOf(config, request.settings, given);
  const { state } = unpackCheckpoint(await readNewestCheckpoint(dir));
  const { extendTo } = request.settings;
  const planned = extendTo === undefined ? config : extendedConfig(config, extendTo, state.step);
  const bench = await openWorkbench(settings, request);
  try {
    refuseChangedData(dir, record.dataset, bench, settings.weights);
    return await work(bench, remaining(dir, bench, planned, state));
  } finally {
    bench.close();
  }
}

function remaining(dir: string, bench: Workbench, config: RunConfig, state: RunState): TrainPlan {
  const epochSteps = stepsPerEpoch(bench, config);
  const schedule = planSchedule(config, epochSteps);
  const { scheduleState } = applyReplans(dir, state, config, schedule);
  return planFrom(config, schedule, epochSteps, { trained: state.step, state: scheduleState });
}
