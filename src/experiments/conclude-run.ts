import { HEAD } from '../model/head.js';
import { saveLayersModel } from '../model/save-layers-model.js';
import type { RunFolder } from '../record/run-folder.js';
import type { Prediction } from '../training/records.js';
import type { RunCheckpoint } from './run-checkpoint.js';
import type { TrainDocument } from './train-document.js';
import type { RunEnd } from './training-run.js';
import type { Workbench } from './workbench.js';

/** Writes what a run leaves: predictions, the model of the best epoch, and last of all the result. */
export async function concludeRun(
  folder: RunFolder,
  bench: Workbench,
  document: TrainDocument,
  end: RunEnd,
): Promise<void> {
  const { best } = end;
  if (best !== null) {
    await folder.writePredictions(predictionLines(bench, end.predictions, best.predictions));
    await folder.writeModel(modelFiles(bench, best));
  }
  await folder.finish(document);
}

function predictionLines(bench: Workbench, final: readonly Prediction[], best: readonly Prediction[]) {
  return bench.images.valid.flatMap(({ path, label }, i) => {
    const [atEnd, atBest] = [final[i], best[i]];
    return atEnd === undefined || atBest === undefined
      ? []
      : [{ image: path, label, final: atEnd, best: atBest }];
  });
}

function modelFiles({ weights, images: { classNames }, imageSize }: Workbench, { replica }: RunCheckpoint) {
  const { backbone } = weights;
  const parameters = new Map(
    [...weights.parameters].map(([name, { shape, values }]) => [
      name,
      { shape, values: replica.weights.get(name) ?? values },
    ]),
  );
  const trained = (name: string): Float32Array => {
    const values = replica.weights.get(name);
    if (values === undefined) throw new Error(`the checkpoint of the best epoch holds no ${name}`);
    return values;
  };
  const head = { kernel: trained(`${HEAD}/kernel`), bias: trained(`${HEAD}/bias`) };
  return { ...saveLayersModel({ backbone, parameters, head, classNames, imageSize }) };
}
