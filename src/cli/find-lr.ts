import { planFinder, runFinder } from '../find-lr/find-lr.js';
import { findLrReport } from '../report/pages/find-lr.js';
import { prepareOut } from '../runs/run-folder.js';
import { describeEnvironment } from '../workbench/bench.js';
import { afterRangeTest, rangeTestPlaces, sameAgain } from './closing.js';
import { checkReportFolder, inSession, type RawFlags } from './session.js';
import { printBesides } from './terminal.js';

/** `onecycle find-lr`. */
export function runFindLr(flags: RawFlags): Promise<void> {
  return inSession(flags, async (session) => {
    const { settings, spoken, progress, signal, startBackend, print, close } = session;
    if (settings.dryRun) {
      const environment = describeEnvironment(await startBackend());
      const plan = await planFinder(settings, { environment, emit: progress.emit, signal });
      const { dryRunReport } = await import('../report/pages/plan.js');
      print(plan, (layout) => dryRunReport(plan, layout));
      close({ next: sameAgain(['dryRun']) });
      return;
    }
    await checkReportFolder(settings);
    await prepareOut(settings.out);
    const environment = describeEnvironment(await startBackend());
    const context = { environment, emit: progress.emit, signal };
    const document = await runFinder(settings, context);
    const { report } = settings;
    const writePage = async (dir: string) => {
      const { writeRunReport } = await import('./write-report.js');
      return writeRunReport(dir, { kind: 'find-lr', document });
    };
    const page = await printBesides(report === undefined ? undefined : () => writePage(report), () =>
      print(document, (layout) => findLrReport(document, layout)),
    );
    close({ results: rangeTestPlaces(document.run, page), next: afterRangeTest(document, spoken) });
  });
}
