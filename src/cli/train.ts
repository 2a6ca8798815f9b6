import { UsageError } from '../errors.js';
import { rateReport } from '../report/pages/find-lr.js';
import { dryRunReport, planReport } from '../report/pages/plan.js';
import { trainReport } from '../report/pages/train.js';
import type { TrainPlan } from '../runs/documents.js';
import { readRun } from '../runs/read-run.js';
import { prepareOut } from '../runs/run-folder.js';
import { openResumable, planResume, type ResumableRun, resumeTraining } from '../train/resume.js';
import { planTraining, train } from '../train/train.js';
import type { ExperimentEvent } from '../workbench/events.js';
import { describeEnvironment } from '../workbench/bench.js';
import { afterTraining, sameAgain } from './closing.js';
import { Exit } from './errors.js';
import { checkReportFolder, inSession, type RawFlags, type Session, warnOfIdleFlags } from './session.js';
import { printBesides } from './terminal.js';

/** `onecycle train`. */
export function runTrain(flags: RawFlags): Promise<void> {
  const work = async (session: Session) => {
    const { settings, given } = session;
    const run = settings.resume === undefined ? undefined : await openResumable(settings.resume, given);
    try {
      await trainOrPlan(session, run);
    } finally {
      // Also where the work is refused before it begins.
      await run?.held?.release();
    }
  };
  const words = flags['resume'] === undefined ? {} : { nothing: UNCHANGED };
  return inSession(flags, work, words);
}

/** @param run to go on with, where --resume names one */
async function trainOrPlan(session: Session, run: ResumableRun | undefined): Promise<void> {
  const { settings, rates, spoken, progress, signal, startBackend, tell, print, close } = session;
  if (run === undefined && settings.extendTo !== undefined) {
    throw new UsageError('--extend-to needs the run that it is to extend. Add --resume RUN.');
  }
  if (run === undefined) warnOfIdleFlags(session, [{ settings, overrides: {} }]);
  if (!settings.dryRun) await checkReportFolder(settings);
  if (run === undefined && !settings.dryRun) await prepareOut(settings.out);
  const environment = describeEnvironment(await startBackend(run?.backend));
  const emit = (event: ExperimentEvent) => {
    progress.emit(event);
    if (event.type !== 'range-test' || settings.quiet) return;
    tell((layout) => rateReport(event.document, layout));
  };
  const request = { settings, rates, environment, emit, signal };
  if (settings.dryRun) {
    const plan = await (run === undefined ? planTraining(request) : planResume(run, request));
    print(plan, (layout) => dryRunReport(plan, layout));
    close({ next: sameAgain(['dryRun']) });
    return;
  }
  const showPlan = (plan: TrainPlan) => tell((layout) => planReport(plan, layout));
  const document = await (run === undefined ? train(request) : resumeTraining(run, { ...request, showPlan }));
  const record = await readRun(document.run);
  const { report } = settings;
  const writePage = async (dir: string) => {
    const { writeRunReport } = await import('./write-report.js');
    return writeRunReport(dir, { kind: 'train', document, record });
  };
  const page = await printBesides(report === undefined ? undefined : () => writePage(report), () =>
    // A failure is said on stderr.
    print(document, (layout) => trainReport({ ...document, failure: null }, record.steps, layout)),
  );
  const { failure } = document;
  if (failure !== null) progress.say(`onecycle: ${failure.message}`);
  close({ results: [document.run, page], next: afterTraining(document, settings, spoken) });
  if (failure !== null) throw new Exit(1);
}

const UNCHANGED =
  'Interrupted before anything more was recorded: the run is as it was, and the same line goes on with it.';
