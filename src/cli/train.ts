import { UsageError } from '../errors.js';
import { planReport } from '../report/pages/plan.js';
import { trainReport } from '../report/pages/train.js';
import { requireWritable } from '../runs/atomic.js';
import type { TrainPlan } from '../runs/documents.js';
import { readRun } from '../runs/read-run.js';
import { openResumable, planResume, resumeTraining } from '../train/resume.js';
import { planTraining, train } from '../train/train.js';
import { describeEnvironment } from '../workbench/environment.js';
import { Exit } from './errors.js';
import { inSession, type RawFlags } from './session.js';

/** `onecycle train`. */
export function runTrain(flags: RawFlags): Promise<void> {
  return inSession(flags, async (session) => {
    const { settings, rates, given, progress, signal, startBackend, tell, print } = session;
    const run = settings.resume === undefined ? undefined : await openResumable(settings.resume, given);
    if (run === undefined && settings.extendTo !== undefined) {
      throw new UsageError('--extend-to needs the run that it is to extend. Add --resume RUN.');
    }
    if (run === undefined && !settings.dryRun) await requireWritable(settings.out, '--out');
    const environment = describeEnvironment(await startBackend(run?.backend));
    const request = { settings, rates, environment, emit: progress.emit, signal };
    if (settings.dryRun) {
      const plan = await (run === undefined ? planTraining(request) : planResume(run, request));
      print(plan, (layout) => planReport(plan, layout));
      return;
    }
    const showPlan = (plan: TrainPlan) => tell((layout) => planReport(plan, layout));
    const document = await (run === undefined
      ? train(request)
      : resumeTraining(run, { ...request, showPlan }));
    const { steps } = await readRun(document.run);
    print(document, (layout) => trainReport(document, steps, layout));
    if (document.status === 'interrupted') {
      console.error(`Go on with: onecycle train --resume ${quoted(document.run)}`);
    }
    if (document.failure !== null) {
      console.error(`onecycle: ${document.failure.message}`);
      throw new Exit(1);
    }
  });
}

/** A path as a shell takes it. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
