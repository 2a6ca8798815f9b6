import { planFinder, runFinder } from '../find-lr/find-lr.js';
import { findLrReport } from '../report/pages/find-lr.js';
import { prepareOut } from '../runs/run-folder.js';
import { describeEnvironment } from '../workbench/workbench.js';
import { checkReportFolder, inSession, type RawFlags } from './session.js';
import { printBesides } from './terminal.js';

/** `onecycle find-lr`. */
export function runFindLr(flags: RawFlags): Promise<void> {
  return inSession(flags, async ({ settings, progress, signal, startBackend, print }) => {
    if (settings.dryRun) {
      await startBackend();
      const plan = await planFinder(settings, { emit: progress.emit, signal });
      const { dryRunReport } = await import('../report/pages/plan.js');
      print(plan, (layout) => dryRunReport(plan, layout));
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
    await printBesides(
      report === undefined ? undefined : () => writePage(report),
      () => print(document, (layout) => findLrReport(document, layout)),
      progress.say,
    );
  });
}
