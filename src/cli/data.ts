import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nearest } from '../config/options.js';
import { allDataSets, BUNDLED_DATA, type DataSet, findDataSet } from '../data/catalog/catalog.js';
import { archiveFolder, archiveName, madeBefore } from '../data/catalog/places.js';
import { UsageError } from '../errors.js';
import { cacheFolder, pulledFolder } from '../fetch/cache.js';
import { dataListReport, dataPullReport } from '../report/pages/data.js';
import {
  type DataListDocument,
  type DataPullDocument,
  type ListedDataSet,
  SCHEMA_VERSION,
} from '../runs/documents.js';
import { sayClosing } from './closing.js';
import { Exit } from './errors.js';
import { openProgress } from './progress.js';
import { listenForSignals, type RawFlags } from './session.js';
import { printResult } from './terminal.js';

/** `onecycle data list`. */
export async function runDataList(flags: RawFlags): Promise<void> {
  const sets = await Promise.all((await allDataSets()).map(listed));
  const document: DataListDocument = {
    schemaVersion: SCHEMA_VERSION,
    command: 'data list',
    status: 'completed',
    cache: { folder: cacheFolder(), bytes: await sizeOf(cacheFolder()) },
    mirror: process.env['ONECYCLE_MIRROR'] || null,
    dataSets: [bundled(), ...sets],
  };
  printResult(document, (layout) => dataListReport(document, layout), printing(flags));
  const next = sets.find(({ state }) => state === 'begun') ?? sets.find(({ state }) => state !== 'here');
  if (flags['quiet'] === true) return;
  sayClosing({
    next: next === undefined ? ['compare', '--data', sets[0]?.name ?? ''] : ['data', 'pull', next.name],
  });
}

function bundled(): ListedDataSet {
  const folder = fileURLToPath(new URL(`../../data/${BUNDLED_DATA.name}`, import.meta.url));
  return { ...BUNDLED_DATA, bytes: 0, files: [], state: 'bundled', folder };
}

async function listed({ layout: _, ...set }: DataSet): Promise<ListedDataSet> {
  const folder = pulledFolder(set.name);
  const here = (await madeBefore(folder)) !== undefined;
  const begun = (await sizeOf(archiveFolder(set.name), (name) => !name.endsWith('.sha256'))) > 0;
  const known = set.files.flatMap(({ bytes }) => bytes ?? []);
  return {
    ...set,
    bytes: known.length < set.files.length ? null : known.reduce((sum, bytes) => sum + bytes, 0),
    files: set.files.map((file) => ({ ...file, place: join(archiveFolder(set.name), archiveName(file)) })),
    state: here ? 'here' : begun ? 'begun' : 'absent',
    folder: here ? folder : null,
  };
}

/** Bytes of all files below a folder, or of some; 0 where there is none. */
async function sizeOf(folder: string, counts: (name: string) => boolean = () => true): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    if (!entry.isFile() || !counts(entry.name)) continue;
    bytes += await stat(join(entry.parentPath, entry.name)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return bytes;
}

/** `onecycle data pull NAME`. */
export async function runDataPull(name: string, flags: RawFlags): Promise<void> {
  const started = performance.now();
  const set = await namedSet(name);
  const progress = openProgress(flags['quiet'] === true, process.stderr);
  const stop = listenForSignals((signal) => {
    progress.stop();
    progress.say(`${signal}: stopping; what has arrived is kept, and the same command goes on from there`);
  });
  try {
    const { pullDataSet } = await import('../data/catalog/pull.js');
    const pulled = await pullDataSet(set, {
      signal: stop.signal,
      onProgress: (event) => progress.emit({ type: 'fetch', name, ...event }),
      onNote: (text) => progress.emit({ type: 'note', text }),
    });
    progress.stop();
    const document: DataPullDocument = {
      ...{ schemaVersion: SCHEMA_VERSION, command: 'data pull', status: 'completed', name },
      ...{ ...pulled, licence: set.licence, citation: set.citation },
      seconds: (performance.now() - started) / 1000,
    };
    printResult(document, (layout) => dataPullReport(document, layout), printing(flags));
    if (flags['quiet'] !== true) sayClosing({ results: [pulled.folder], next: ['compare', '--data', name] });
  } catch (error) {
    const code = stop.exitCode();
    if (code === undefined || error !== stop.signal.reason) throw error;
    throw new Exit(code, `Interrupted while ${name} was being fetched.`);
  } finally {
    progress.stop();
    stop.release();
  }
}

/** Throws UsageError with the names that there are, where this is none. */
async function namedSet(name: string): Promise<DataSet> {
  const set = await findDataSet(name);
  if (set !== undefined) return set;
  if (name === BUNDLED_DATA.name) {
    throw new UsageError(`${name} is bundled: there is nothing to fetch. Use it as it is: --data ${name}`);
  }
  const names = (await allDataSets()).map((known) => known.name);
  const meant = nearest(name, names);
  const hint = meant === undefined ? `Expected one of ${names.join(', ')}.` : `Did you mean "${meant}"?`;
  throw new UsageError(`There is no data set named "${name}". ${hint}`);
}

function printing(flags: RawFlags) {
  return { json: flags['json'] === true, color: flags['color'] !== false };
}
