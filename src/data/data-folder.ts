import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** The folder of a data set that was given as a path, or by the name of a bundled one. */
export async function dataFolder(data: string): Promise<string> {
  const bundled = fileURLToPath(new URL(`../../data/${data}`, import.meta.url));
  const given = await stat(data).catch(() => undefined);
  const isName = /^[\w-]+$/.test(data);
  return given === undefined && isName && (await stat(bundled).catch(() => undefined)) !== undefined
    ? bundled
    : data;
}
