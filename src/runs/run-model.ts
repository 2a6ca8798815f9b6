import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../errors.js';
import { bestAndFinal } from './check-run.js';
import { RUN_FILES } from './documents.js';
import { isJsonObject, type JsonObject } from './json.js';
import { ifThere, readBytes, readDocument } from './read-document.js';
import { epochShape, readRecords } from './read-run.js';

/**
 * Throws UsageError, saying what to do, where a run's model/ is missing, damaged, of another run or of an earlier part of this one:
 * nothing else tells that its weights are not those of the run's best epoch. Results of versions that recorded no hash are
 * taken at their word.
 */
export async function requireOwnModel(dir: string): Promise<void> {
  const result = await ifThere(join(dir, RUN_FILES.result), readDocument);
  if (!existsSync(join(dir, RUN_FILES.model, 'model.json'))) {
    throw new UsageError(`${dir} holds no model: ${whyNone(dir, result)}`);
  }
  const goOn = `Go on with it: onecycle train --resume ${dir}`;
  if (result === null) {
    throw new UsageError(
      `The model of ${dir} is of an earlier part of the run, which is being trained now, or was killed; a new one is written ` +
        `when it ends or is interrupted. ${goOn}`,
    );
  }
  const { best } = bestAndFinal(await readRecords(join(dir, RUN_FILES.epochs), epochShape));
  const told = isJsonObject(result['best']) ? result['best']['epoch'] : undefined;
  if (best !== null && typeof told === 'number' && told !== best.epoch) {
    throw new UsageError(
      `The model of ${dir} is that of epoch ${told}, and epoch ${best.epoch} is the best by now: the run had gone on. ${goOn}`,
    );
  }
  const { modelSha256 } = result;
  if (typeof modelSha256 !== 'string') return;
  const path = join(dir, RUN_FILES.model, 'weights.bin');
  const sha256 = createHash('sha256')
    .update(await readBytes(path))
    .digest('hex');
  if (sha256 === modelSha256) return;
  throw new UsageError(
    `${path} is not what the run wrote: its SHA-256 is not the one in ${RUN_FILES.result}. Put the original back, or train the ` +
      'run anew with --again.',
  );
}

function whyNone(dir: string, result: JsonObject | null): string {
  const status = result?.['status'];
  if (status === 'failed')
    return 'it failed before its first epoch was over. Train it again with other settings.';
  if (status === 'completed')
    return 'it is finished, and its folder model/ is gone. Put it back, or train again with train --again.';
  const why =
    status === 'interrupted'
      ? 'it was interrupted before its first epoch was over.'
      : 'it is being trained now, or was killed; the model is written when a run ends or is interrupted.';
  return `${why} Go on with it: onecycle train --resume ${dir}`;
}
