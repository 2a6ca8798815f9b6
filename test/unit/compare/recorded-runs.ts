import { encodeCheckpoint } from '../../../src/runs/checkpoint.js';
import type { RunResult } from '../../../src/runs/documents.js';
import type { JsonObject } from '../../../src/runs/json.js';
import { createRun } from '../../../src/runs/run-folder.js';

/** A run of two epochs of three steps on four validation images, as a folder that was never trained. */
interface MadeUpRun {
  readonly arm?: string;
  readonly seed?: number;
  /** Which of the validation images it gets right after the first epoch and at its end. */
  readonly right?: readonly [readonly boolean[], readonly boolean[]];
  /** Null leaves the run without a result, as a killed one. */
  readonly status?: RunResult['status'] | null;
  readonly config?: JsonObject;
  readonly environment?: JsonObject;
  readonly dataset?: JsonObject;
  readonly result?: JsonObject;
  readonly checkpoint?: boolean;
}

const IMAGES = ['val/a.png', 'val/b.png', 'val/c.png', 'val/d.png'];
const HALF = [true, true, false, false];
/** Three batches of two. */
const TRAINED = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => ({ path: `train/${name}.png` }));

export const ENVIRONMENT = {
  ...{ onecycle: '0.1.0', node: 'v20', platform: 'linux-x64', backend: 'wasm', device: 'one', driver: null },
  ...{ arithmetic: 'separate', cores: 2, cpu: 'one', versions: {}, workers: 1, sliceSize: 4 },
} as const;

/** Writes the run into `out` and answers its folder. */
export async function makeRun(out: string, run: MadeUpRun = {}): Promise<string> {
  const { arm = 'fixed', seed = 0, right = [HALF, HALF], status = 'completed', checkpoint = true } = run;
  const policy = arm.startsWith('1cycle') ? '1cycle' : 'fixed';
  const images = IMAGES.slice(0, right[1].length);
  const folder = await createRun(out, `${arm.replaceAll('/', '-')}-seed${seed}`, {
    config: { policy, arm, seed, lr: 0.01, epochs: 2, batchSize: 2, ...run.config },
    environment: { ...ENVIRONMENT, ...run.environment },
    dataset: {
      classes: ['ants', 'bees'],
      weightsSha256: 'w',
      files: { train: TRAINED, valid: images.map((path) => ({ path })) },
      ...run.dataset,
    },
    ...(checkpoint && {
      checkpoint: encodeCheckpoint({ header: { offsets: { steps: 0, epochs: 0 } }, tensors: new Map() }),
    }),
  });
  for (const [i, answers] of right.entries()) {
    for (const step of [0, 1, 2]) {
      folder.appendStep({ step: 3 * i + step, epoch: i + 1, learningRate: 0.01, momentum: 0.9, loss: 1 });
    }
    const correct = answers.filter(Boolean).length;
    const losses = { trainLoss: 1, validLoss: 1 - correct / 8 };
    const validAccuracy = correct / answers.length;
    folder.appendEpoch({
      epoch: i + 1,
      ...losses,
      validAccuracy,
      correct,
      total: answers.length,
      seconds: 2,
    });
  }
  const count = (answers: readonly boolean[]) => answers.filter(Boolean).length;
  const best = count(right[1]) > count(right[0]) ? right[1] : right[0];
  const answer = (right: boolean | undefined) => ({ predicted: right === true ? 1 : 0, probability: 0.5 });
  await folder.writePredictions(
    images.map((image, i) => ({ image, label: 1, final: answer(right[1][i]), best: answer(best[i]) })),
  );
  if (status !== null) {
    await folder.finish({
      status,
      environment: { ...ENVIRONMENT, ...run.environment },
      ...run.result,
    } as RunResult);
  }
  await folder.close();
  return folder.dir;
}
