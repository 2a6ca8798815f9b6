import { describeEnvironment } from '../experiments/environment.js';
import { planTraining, train } from '../experiments/train.js';
import { readRun } from '../record/read-run.js';
import { planReport } from '../report/plan-report.js';
import { trainReport } from '../report/train-report.js';
import { Exit } from './errors.js';
import type { RawFlags } from './raw-flags.js';
import { inSession } from './session.js';

/** `onecycle train`. */
export function runTrain(flags: RawFlags): Promise<void> {
  return inSession(flags, async ({ settings, rates, progress, signal, startBackend, print }) => {
    const environment = describeEnvironment(await startBackend());
    const request = { settings, rates, environment, emit: progress.emit, signal };
    if (settings.dryRun) {
      const plan = await planTraining(request);
      print(plan, (layout) => planReport(plan, layout));
      return;
    }
    const document = await train(request);
    const { steps } = await readRun(document.run);
    print(document, (layout) => trainReport({ ...document, steps }, layout));
    if (document.failure !== null) {
      console.error(`onecycle: ${document.failure.message}`);
      throw new Exit(1);
    }
  });
}
