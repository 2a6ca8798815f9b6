import { runFinder } from '../find-lr/find-lr.js';
import { findLrReport } from '../report/pages/find-lr.js';
import { requireWritable } from '../runs/atomic.js';
import { describeEnvironment } from '../workbench/environment.js';
import { inSession, type RawFlags } from './session.js';

/** `onecycle find-lr`. */
export function runFindLr(flags: RawFlags): Promise<void> {
  return inSession(flags, async ({ settings, progress, signal, startBackend, print }) => {
    await requireWritable(settings.out, '--out');
    const environment = describeEnvironment(await startBackend());
    const context = { environment, emit: progress.emit, signal };
    // Loaded once the test is done: the library for charts is large.
    const { document } = await runFinder(settings, context, async (found) => {
      const { rangeSvg } = await import('../report/charts/range-svg.js');
      return rangeSvg(found);
    });
    print(document, (layout) => findLrReport(document, layout));
  });
}
