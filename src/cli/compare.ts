import { compare, type CompareOutcome, compareRecorded } from '../compare/compare.js';
import { compareDocument } from '../compare/document.js';
import { expandHome } from '../config/check-settings.js';
import type { Settings } from '../config/settings.js';
import { counted } from '../report/text/numbers.js';
import { requireWritable } from '../runs/atomic.js';
import type { CompareDocument } from '../runs/documents.js';
import { describeEnvironment } from '../workbench/environment.js';
import { Exit } from './errors.js';
import { checkReportFolder, inSession, type RawFlags, type Session } from './session.js';

/** `onecycle compare [RUN...]`. */
export function runCompare(dirs: readonly string[], flags: RawFlags): Promise<void> {
  return inSession(flags, async (session) => {
    const { settings, rates, progress, signal, startBackend } = session;
    const started = performance.now();
    await checkReportFolder(settings);
    const seconds = () => (performance.now() - started) / 1000;
    if (dirs.length > 0) {
      const outcome = await compareRecorded(dirs.map(expandHome), settings);
      const { target } = settings;
      await show(
        session,
        outcome,
        compareDocument(outcome, { target, seconds: seconds(), trainedHere: undefined }),
      );
      return;
    }
    if (!settings.plan && !settings.dryRun) await requireWritable(settings.out, '--out');
    const environment = describeEnvironment(await startBackend());
    const request = { settings, rates, environment, emit: progress.emit, signal };
    if (settings.plan) {
      const { planComparison } = await import('../compare/plan.js');
      const { comparePlanReport } = await import('../report/pages/plan.js');
      const plan = await planComparison(request);
      session.print(plan, ({ width }) => comparePlanReport(plan, width));
      return;
    }
    if (settings.dryRun) {
      const { planArms } = await import('../compare/plan.js');
      const { dryRunReport } = await import('../report/pages/plan.js');
      const plan = await planArms(request);
      session.print(plan, (layout) => dryRunReport(plan, layout));
      return;
    }
    // Read before the runs train: after hours of it another version may lie in these files' place.
    loadReport().catch(() => undefined);
    const outcome = await compare(request);
    const context = { target: settings.target, seconds: seconds(), trainedHere: { ...environment } };
    await show(session, outcome, compareDocument(outcome, context));
  });
}

async function show(
  { print, settings, progress }: Session,
  { runs }: CompareOutcome,
  document: CompareDocument,
): Promise<void> {
  if (document.status === 'interrupted') {
    print(document, () => keptText(document, settings));
    console.error('Run the same command again to go on: finished runs are taken, the others continued.');
    return;
  }
  const curves = document.arms.map(({ policy }) => ({
    policy,
    runs: runs
      .filter(({ arm }) => arm === policy)
      .map(({ seed, record }) => ({ seed, epochs: record.epochs, steps: record.steps })),
  }));
  const { compareReport } = await loadReport();
  print(document, (layout) => compareReport(document, curves, layout));
  if (settings.report !== undefined) {
    const { writeReport } = await import('./write-report.js');
    progress.say(`The report is ${await writeReport(settings.report, document, curves, runs)}`);
  }
  if (document.status === 'failed') throw new Exit(1);
}

/** What an interrupted comparison leaves: its tables would be of some seeds alone. */
function keptText({ arms }: CompareDocument, { seeds, out }: Settings): string {
  const finished = arms.reduce((sum, { runs }) => sum + runs.length, 0);
  return `Interrupted: ${finished} of ${counted(arms.length * seeds, 'run')} finished. All that was done lies in ${out}.`;
}

function loadReport() {
  return import('../report/pages/compare.js');
}
