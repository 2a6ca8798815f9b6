import { shellLine } from '../config/options.js';
import { UsageError } from '../errors.js';
import { dryRunReport, planReport } from '../report/pages/plan.js';
import { trainReport } from '../report/pages/train.js';
import { requireWritable } from '../runs/atomic.js';
import type { TrainPlan } from '../runs/documents.js';
import { readRun } from '../runs/read-run.js';
import { openResumable, planResume, resumeTraining } from '../train/resume.js';
import { planTraining, train } from '../train/train.js';
import { describeEnvironment } from '../workbench/environment.js';
import { Exit } from './errors.js';
import { checkReportFolder, inSession, type RawFlags } from './session.js';

/** `onecycle train`. */
export function runTrain(flags: RawFlags): Promise<void> {
  return inSession(flags, async (session) => {
    const { settings, rates, given, progress, signal, startBackend, tell, print } = session;
    const run = settings.resume === undefined ? undefined : await openResumable(settings.resume, given);
    if (run === undefined && settings.extendTo !== undefined) {
      throw new UsageError('--extend-to needs the run that it is to extend. Add --resume RUN.');
    }
    if (!settings.dryRun) await checkReportFolder(settings);
    if (run === undefined && !settings.dryRun) await requireWritable(settings.out, '--out');
    const environment = describeEnvironment(await startBackend(run?.backend));
    const request = { settings, rates, environment, emit: progress.emit, signal };
    if (settings.dryRun) {
      const plan = await (run === undefined ? planTraining(request) : planResume(run, request));
      print(plan, (layout) => dryRunReport(plan, layout));
      return;
    }
    const showPlan = (plan: TrainPlan) => tell((layout) => planReport(plan, layout));
    const document = await (run === undefined
      ? train(request)
      : resumeTraining(run, { ...request, showPlan }));
    const record = await readRun(document.run);
    print(document, (layout) => trainReport(document, record.steps, layout));
    if (settings.report !== undefined) {
      const { writeRunReport } = await import('./write-report.js');
      const page = await writeRunReport(settings.report, { kind: 'train', document, record });
      progress.say(`The report is ${page}`);
    }
    if (document.status === 'interrupted') {
      console.error(`Go on with: onecycle train --resume ${shellLine([document.run])}`);
    }
    if (document.failure !== null) {
      console.error(`onecycle: ${document.failure.message}`);
      throw new Exit(1);
    }
  });
}
