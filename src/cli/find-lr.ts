import { describeEnvironment } from '../experiments/environment.js';
import { runFinder } from '../experiments/find-lr-run.js';
import { findLrReport } from '../report/find-lr-report.js';
import { rangeSvg } from '../report/range-svg.js';
import type { RawFlags } from './raw-flags.js';
import { inSession } from './session.js';

/** `onecycle find-lr`. */
export function runFindLr(flags: RawFlags): Promise<void> {
  return inSession(flags, async ({ settings, progress, signal, startBackend, print }) => {
    const environment = describeEnvironment(await startBackend());
    const context = { environment, emit: progress.emit, signal };
    const { document, curves } = await runFinder(settings, context, rangeSvg);
    print(document, (layout) => findLrReport({ ...document, curves }, layout));
  });
}
