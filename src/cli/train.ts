import { shellLine } from '../config/options.js';
import { UsageError } from '../errors.js';
import { dryRunReport, planReport } from '../report/pages/plan.js';
import { trainReport } from '../report/pages/train.js';
import type { TrainPlan } from '../runs/documents.js';
import { readRun } from '../runs/read-run.js';
import { prepareOut } from '../runs/run-folder.js';
import { openResumable, planResume, resumeTraining } from '../train/resume.js';
import { planTraining, train } from '../train/train.js';
import { describeEnvironment } from '../workbench/workbench.js';
import { Exit } from './errors.js';
import { checkReportFolder, inSession, type RawFlags } from './session.js';
import { printBesides } from './terminal.js';

/** `onecycle train`. */
export function runTrain(flags: RawFlags): Promise<void> {
  return inSession(flags, async (session) => {
    const { settings, rates, given, progress, signal, startBackend, tell, print } = session;
    const run = settings.resume === undefined ? undefined : await openResumable(settings.resume, given);
    if (run === undefined && settings.extendTo !== undefined) {
      throw new UsageError('--extend-to needs the run that it is to extend. Add --resume RUN.');
    }
    if (!settings.dryRun) await checkReportFolder(settings);
    if (run === undefined && !settings.dryRun) await prepareOut(settings.out);
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
    const { report } = settings;
    const writePage = async (dir: string) => {
      const { writeRunReport } = await import('./write-report.js');
      return writeRunReport(dir, { kind: 'train', document, record });
    };
    await printBesides(
      report === undefined ? undefined : () => writePage(report),
      () => print(document, (layout) => trainReport(document, record.steps, layout)),
      progress.say,
    );
    if (document.status === 'interrupted') {
      progress.say(`Go on with: onecycle train --resume ${shellLine([document.run])}`);
    }
    if (document.failure !== null) {
      progress.say(`onecycle: ${document.failure.message}`);
      throw new Exit(1);
    }
  });
}
