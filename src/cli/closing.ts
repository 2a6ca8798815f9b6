import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { GivenSettings } from '../config/check-settings.js';
import {
  type CommandName,
  flagName,
  flagWords,
  OPTIONS,
  type OptionSpec,
  shellLine,
} from '../config/options.js';
import { OF_ONE_CALL, readDefaults, type Settings } from '../config/settings.js';
import type { CompareDocument, FinderDocument, TrainDocument } from '../runs/documents.js';
import { RANGE_TEST_FILES } from '../runs/range-test-folder.js';
import { isFarAboveGuessing } from '../stats/classes.js';
import { moreOf } from '../stats/crossed.js';
import { calledAs } from '../system.js';
import { say } from './terminal.js';

/** What a command ends with. */
export interface Closing {
  /** Files and folders that hold what came of it; none where nothing was written. */
  readonly results?: readonly (string | undefined)[];
  /** The words of a command that goes on from there; null where there is none. */
  readonly next: readonly string[] | null;
}

/** Says on stderr where a command's results lie, and one command that goes on from there, each in a line that is never broken. */
export function sayClosing({ results = [], next }: Closing): void {
  const places = results.filter((place) => place !== undefined);
  if (places.length > 0) say(`Results  ${places.map((place) => shellLine([place])).join(', ')}`);
  if (next !== null) say(`Next     ${commandLine(next)}`);
}

/** A command as the user would type it here. */
export function commandLine(words: readonly string[]): string {
  return shellLine([...calledAs(), ...words]);
}

/** Options that a command line hands on to no other command. */
const OWN: ReadonlySet<string> = new Set([...OF_ONE_CALL, 'again', 'seeds']);

/** The flags that give these values to a command; options that it does not have, or that belong to one call, are left out. */
function flagsFor(command: CommandName, values: GivenSettings): string[] {
  const known: Readonly<Record<string, OptionSpec>> = OPTIONS;
  return Object.entries(values).flatMap(([name, value]) => {
    if (OWN.has(name) || known[name]?.commands.includes(command) !== true) return [];
    return value === undefined || value === null ? [] : flagWords(name, value);
  });
}

/** The settings of a record that are not the defaults. */
function unusual(config: object): GivenSettings {
  const usual: Readonly<Record<string, unknown>> = { ...readDefaults().settings };
  const others = Object.entries(config).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(usual[name]),
  );
  return Object.fromEntries(others);
}

/** `--out` where a run does not lie in the usual folder. */
function outOf(run: string): string[] {
  const out = dirname(run);
  return resolve(out) === resolve(readDefaults().settings.out) ? [] : ['--out', out];
}

/** What the user said in flags, among them the configuration file. */
type Said = GivenSettings;

function saidFlags(command: CommandName, { config, ...flags }: Said): string[] {
  return [...(config === undefined ? [] : ['--config', config]), ...flagsFor(command, flags)];
}

/** Of a range test its folder, its curve where it could be drawn, and its page where one was written. */
export function rangeTestPlaces(run: string, page: string | undefined): (string | undefined)[] {
  const curve = join(run, RANGE_TEST_FILES.png);
  return [run, existsSync(curve) ? curve : undefined, page];
}

/**
 * To train with the rates of a range test, on its images and with its settings; without a rate, the page that says why there may
 * be none.
 * @param said undefined where the test is an earlier one: its record says its settings then
 */
export function afterRangeTest({ run, recommended, status, config }: FinderDocument, said?: Said): string[] {
  if (status === 'interrupted') return said === undefined ? ['help', 'lr-curve'] : sameAgain();
  if (recommended === null) return ['help', 'lr-curve'];
  // A training has its batch at once.
  const batch = config.accumulate === 1 ? {} : { batchSize: config.batchSize * config.accumulate };
  const values = { ...(said ?? unusual(config)), ...batch };
  const flags =
    said === undefined ? [...flagsFor('train', values), ...outOf(run)] : saidFlags('train', values);
  return ['train', ...flags, '--lr', `from:${run}`];
}

/** After a run of its own the comparison with the other policy, after one that diverged a range test; of a part of a larger plan its page. */
export function afterTraining(
  { run, status, failure, config, epochs, dataset }: TrainDocument,
  { resume, arm, pair, report }: Settings,
  said: Said,
): string[] {
  if (status === 'interrupted') return ['train', '--resume', run];
  const alone = resume === undefined && arm === undefined && pair === undefined;
  const last = epochs.at(-1);
  const lost = failure !== null || (last !== undefined && isFarAboveGuessing(last, dataset.classes.length));
  if (lost && alone && config.lrFrom === undefined) {
    return ['find-lr', ...saidFlags('find-lr', said)];
  }
  return failure !== null || !alone ? pageOf(run, report) : ['compare', ...saidFlags('compare', said)];
}

/** A run's page in HTML; where that is written already, its model. */
export function pageOf(run: string, report: string | undefined): string[] {
  return report === undefined ? ['show', run, '--report', freeName('page')] : exportOf(run);
}

/** A run's model for the browser, into a folder that is not there yet. */
export function exportOf(run: string): string[] {
  return ['export', run, '--to', freeName('web')];
}

function freeName(name: string): string {
  for (let number = 1; ; number++) {
    const tried = number === 1 ? name : `${name}-${number}`;
    if (!existsSync(tried)) return tried;
  }
}

/** More seeds where they would help, more rates where a claim may be theirs; then the page; then the model of the best run. */
export function afterComparison(document: CompareDocument, compared: Compared): string[] {
  const { trained, out, report } = compared;
  const { status, verdict, config, arms, difference } = document;
  const [any] = arms.flatMap((arm) => [...arm.runs, ...arm.failed]);
  const listed = ['runs', trained || any === undefined ? out : dirname(any.run)];
  if (status === 'interrupted') return sameAgain();
  if (status === 'failed') return listed;
  const shares = difference?.varianceShares ?? null;
  const fewSeeds =
    verdict.kind === 'one-seed' ||
    verdict.kind === 'equal' ||
    (verdict.kind === 'not-shown' && shares !== null && moreOf(shares) !== 'images');
  if (trained && fewSeeds) {
    const seeds = Math.min(MOST_SEEDS, Math.max(FEW_SEEDS, 2 * config.seeds));
    return [...sameAgain(['seeds', 'report']), '--seeds', String(seeds), ...reportFlag(report)];
  }
  if (trained && verdict.kind === 'claim' && verdict.rates !== 'tuned') {
    return [...sameAgain(['rates', 'report']), '--rates', '2', ...reportFlag(report)];
  }
  if (report === undefined) return [...sameRuns(compared), '--report', freeName('page')];
  const runs = arms
    .filter(({ policy }) => verdict.kind !== 'claim' || policy === verdict.claim)
    .flatMap((arm) => arm.runs);
  const [best] = runs.toSorted((a, b) => b.final.validAccuracy - a.final.validAccuracy);
  return best === undefined ? listed : exportOf(best.run);
}

/** Of a comparison: whether it trained, its folder of runs, and where its page lies. */
interface Compared {
  readonly trained: boolean;
  readonly out: string;
  readonly report: string | undefined;
  /** The folders that were named, and one that holds just their runs, where there is one. */
  readonly recorded?: { readonly dirs: readonly string[]; readonly folder: string | undefined };
}

/** The same comparison; where a shell wrote out a pattern, its folder says as much as all the names. */
function sameRuns({ recorded }: Compared): string[] {
  const words = sameAgain();
  if (recorded?.folder === undefined || recorded.dirs.length <= NAMED_RUNS) return words;
  const [command = 'compare', ...others] = words.filter((word) => !recorded.dirs.includes(word));
  return [command, recorded.folder, ...others];
}

const NAMED_RUNS = 4;
const FEW_SEEDS = 3;
const MOST_SEEDS = 1000;

function reportFlag(report: string | undefined): string[] {
  return report === undefined ? [] : ['--report', report];
}

/** The command line as it was given, without some options and without those that only say how its result is printed. */
export function sameAgain(without: readonly (keyof typeof OPTIONS)[] = []): string[] {
  const dropped = new Map(
    [...without, 'json' as const].map((name): [string, OptionSpec] => [flagName(name), OPTIONS[name]]),
  );
  const words = process.argv.slice(2);
  return words.filter((word, i) => {
    const before = dropped.get(words[i - 1] ?? '');
    return !dropped.has(word.replace(/=.*/su, '')) && before?.argument === undefined;
  });
}
