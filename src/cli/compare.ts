import { basename, dirname } from 'node:path';
import { compareDocument } from '../compare/document.js';
import { type CompareOutcome, compareRecorded } from '../compare/outcome.js';
import { isRangeTest } from '../compare/read.js';
import { readArms } from '../config/arms.js';
import { expandHome } from '../config/check-settings.js';
import { flagName, type OptionName } from '../config/options.js';
import { type Settings, withGiven } from '../config/settings.js';
import { UsageError } from '../errors.js';
import { counted } from '../report/text/numbers.js';
import type { CompareDocument } from '../runs/documents.js';
import { listRuns } from '../runs/read-run.js';
import { prepareOut } from '../runs/run-folder.js';
import { describeEnvironment } from '../workbench/bench.js';
import { afterComparison, sameAgain } from './closing.js';
import { Exit } from './errors.js';
import { checkReportFolder, inSession, type RawFlags, type Session, warnOfIdleFlags } from './session.js';
import { printBesides } from './terminal.js';

/** `onecycle compare [RUN...]`. */
export function runCompare(dirs: readonly string[], flags: RawFlags): Promise<void> {
  return inSession(flags, async (session) => {
    const { settings, rates, progress, signal, startBackend } = session;
    const started = performance.now();
    await checkReportFolder(settings);
    const seconds = () => (performance.now() - started) / 1000;
    if (dirs.length > 0) {
      refuseIdle(session);
      const outcome = await compareRecorded(dirs.map(expandHome), settings);
      const { target, metric } = settings;
      await show(
        session,
        outcome,
        compareDocument(outcome, { target, metric, seconds: seconds(), trainedHere: undefined }),
        dirs,
      );
      return;
    }
    const arms = await readArms(settings.policies, settings.momentum);
    warnOfIdleFlags(
      session,
      arms.map(({ overrides }) => ({ settings: withGiven(settings, overrides), overrides })),
    );
    if (!settings.plan && !settings.dryRun) await prepareOut(settings.out);
    const environment = describeEnvironment(await startBackend());
    const request = { settings, rates, environment, emit: progress.emit, signal };
    if (settings.plan) {
      const { planComparison } = await import('../compare/plan.js');
      const { comparePlanReport } = await import('../report/pages/plan.js');
      const plan = await planComparison(request);
      session.print(plan, ({ width }) => comparePlanReport(plan, width));
      session.close({ next: sameAgain(['plan']) });
      return;
    }
    if (settings.dryRun) {
      const { planArms } = await import('../compare/plan.js');
      const { dryRunReport } = await import('../report/pages/plan.js');
      const plan = await planArms(request);
      session.print(plan, (layout) => dryRunReport(plan, layout));
      session.close({ next: sameAgain(['dryRun']) });
      return;
    }
    // Read before the runs train: after hours of it another version may lie in these files' place.
    loadReport().catch(() => undefined);
    const { compare } = await import('../compare/compare.js');
    const outcome = await compare(request);
    const { target, metric } = settings;
    const context = { target, metric, seconds: seconds(), trainedHere: { ...environment } };
    await show(session, outcome, compareDocument(outcome, context));
  });
}

/** What comparing recorded runs uses; all else says how runs are trained. */
const OF_RECORDED: ReadonlySet<string> = new Set<OptionName>([
  ...(['metric', 'target', 'report', 'config'] as const),
  ...(['json', 'quiet', 'color', 'debug'] as const),
]);

/** Throws UsageError for flags that ask for a training where recorded runs are named; names those that change nothing. */
function refuseIdle({ spoken, progress }: Session): void {
  for (const name of ['plan', 'dryRun'] as const) {
    if (spoken[name] !== true) continue;
    throw new UsageError(
      `${flagName(name)} is about runs to be trained, and with RUN... those that lie there are compared. Leave one of the two out.`,
    );
  }
  const idle = Object.entries(spoken).flatMap(([name, value]) =>
    OF_RECORDED.has(name) || value === false ? [] : [flagName(name)],
  );
  if (idle.length === 0) return;
  const text = `${idle.join(', ')}: no effect here, since the runs that are named are compared as they are.`;
  progress.emit({ type: 'warning', text });
}

/** @param recorded the folders that were named; none where the runs were trained now */
async function show(
  { print, settings, progress, close }: Session,
  { runs }: CompareOutcome,
  document: CompareDocument,
  recorded: readonly string[] = [],
): Promise<void> {
  const { out, report } = settings;
  const trained = recorded.length === 0;
  if (document.status === 'interrupted') {
    print(document, () => keptText(document, settings));
    close({ results: [out], next: afterComparison(document, { trained, out, report }) });
    return;
  }
  const curves = document.arms.map(({ policy }) => ({
    policy,
    runs: runs
      .filter(({ arm }) => arm === policy)
      .map(({ seed, record }) => ({ seed, epochs: record.epochs, steps: record.steps })),
  }));
  const { compareReport } = await loadReport();
  const writePage = async (dir: string) => {
    const { writeReport } = await import('./write-report.js');
    return writeReport(dir, document, curves, runs);
  };
  const page = await printBesides(report === undefined ? undefined : () => writePage(report), () =>
    print(document, (layout) => compareReport(document, curves, layout)),
  );
  if (document.status === 'failed') {
    progress.say(
      'onecycle: The comparison failed: too few runs of an arm finished, or none with a seed of the other.',
    );
  }
  const folder = await folderOf(recorded);
  close({
    results: trained ? [out, page] : [page],
    next: afterComparison(document, { trained, out, report, recorded: { dirs: recorded, folder } }),
  });
  if (document.status === 'failed') throw new Exit(1);
}

/** The folder that holds these runs and no others, but for range tests. */
async function folderOf(runs: readonly string[]): Promise<string | undefined> {
  const [folder = '.', ...more] = new Set(runs.map((run) => dirname(run)));
  const inside = more.length > 0 ? [] : await listRuns(folder).catch(() => []);
  const named = new Set(runs.map((run) => basename(run)));
  for (const run of inside) {
    if (!named.delete(basename(run)) && !(await isRangeTest(run))) return undefined;
  }
  return named.size === 0 ? folder : undefined;
}

/** What an interrupted comparison leaves: its tables would be of some seeds alone. */
function keptText({ arms }: CompareDocument, { seeds, out }: Settings): string {
  const finished = arms.reduce((sum, { runs }) => sum + runs.length, 0);
  return `Interrupted: ${finished} of ${counted(arms.length * seeds, 'run')} finished. All that was done lies in ${out}: the same command takes what is finished and goes on with the rest.`;
}

function loadReport() {
  return import('../report/pages/compare.js');
}
