import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { parameterNames } from '../../model/network.js';
import type { NetworkSetup } from '../params.js';
import type { CompiledKernels } from './compile-kernels.js';

let code: string | undefined;

/**
 * What makes the frozen part's outputs what they are, besides the images: its plan and parameters, the code of this folder and of the
 * kernels, and how they add. Equal for engines whose features are bit-identical, in whatever process or thread.
 */
export function featureIdentity(
  { backbone, parameters, firstTrained, imageSize }: NetworkSetup,
  { arithmetic, sha256 }: Pick<CompiledKernels, 'arithmetic' | 'sha256'>,
): string {
  const frozen = backbone.blocks.slice(0, firstTrained);
  const pooled = firstTrained === backbone.blocks.length;
  code ??= codeOf(new URL('.', import.meta.url));
  const hash = createHash('sha256').update(
    JSON.stringify([frozen, pooled, imageSize, code, sha256, arithmetic, process.arch]),
  );
  for (const name of frozen.flatMap(({ units }) => units.flatMap((unit) => parameterNames(unit).trained))) {
    const { shape, values } = parameters.get(name) ?? { shape: [], values: new Float32Array(0) };
    hash.update(JSON.stringify([name, shape])).update(values);
  }
  return hash.digest('hex');
}

/** The hash of a folder's modules, as they are run. */
function codeOf(folder: URL): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort()) {
    if (/\.[jt]s$/u.test(name)) hash.update(name).update(readFileSync(new URL(name, folder)));
  }
  return hash.digest('hex');
}
