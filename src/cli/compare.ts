import { compare, compareRecorded, type CompareOutcome } from '../experiments/compare.js';
import { describeEnvironment } from '../experiments/environment.js';
import { compareReport } from '../report/compare-report.js';
import { Exit } from './errors.js';
import type { RawFlags } from './raw-flags.js';
import { inSession, type Session } from './session.js';

/** `onecycle compare [RUN...]`. */
export function runCompare(dirs: readonly string[], flags: RawFlags): Promise<void> {
  return inSession(flags, async (session) => {
    const { settings, rates, progress, signal, startBackend } = session;
    const started = performance.now();
    if (dirs.length > 0) {
      show(session, await compareRecorded(dirs, settings), started, {});
      return;
    }
    const environment = describeEnvironment(await startBackend());
    const outcome = await compare({ settings, rates, environment, emit: progress.emit, signal });
    show(session, outcome, started, environment);
  });
}

function show(
  { settings, print }: Session,
  outcome: CompareOutcome,
  started: number,
  environment: object,
): void {
  const { comparison, runs, status } = outcome;
  const [first] = runs;
  const document = {
    ...comparison,
    status,
    config: settings,
    environment,
    dataset: first?.record.result?.['dataset'] ?? null,
    seconds: (performance.now() - started) / 1000,
  };
  const curves = comparison.arms.map(({ policy }) => ({
    policy,
    runs: runs
      .filter(({ arm }) => arm === policy)
      .map(({ seed, record }) => ({ seed, epochs: record.epochs, steps: record.steps })),
  }));
  print(document, (layout) => compareReport({ ...comparison, curves }, layout));
  if (status === 'interrupted') {
    console.error('Run the same command again to go on: finished runs are taken, the others continued.');
  }
  if (status === 'failed') throw new Exit(1);
}
