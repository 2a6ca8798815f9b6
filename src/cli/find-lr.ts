import { planFinder, runFinder } from '../find-lr/find-lr.js';
import { findLrReport } from '../report/pages/find-lr.js';
import { requireWritable } from '../runs/atomic.js';
import { describeEnvironment } from '../workbench/environment.js';
import { checkReportFolder, inSession, type RawFlags } from './session.js';

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
    await requireWritable(settings.out, '--out');
    const environment = describeEnvironment(await startBackend());
    const context = { environment, emit: progress.emit, signal };
    const document = await runFinder(settings, context);
    print(document, (layout) => findLrReport(document, layout));
    if (settings.report !== undefined) {
      const { writeRunReport } = await import('./write-report.js');
      const page = await writeRunReport(settings.report, { kind: 'find-lr', document });
      progress.say(`The report is ${page}`);
    }
  });
}
