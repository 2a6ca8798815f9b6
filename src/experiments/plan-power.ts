import { pairedDifference } from '../stats/paired-difference.js';
import {
  claimPower,
  imagesToClaim,
  imageVariances,
  seedsToClaim,
  type Spread,
} from '../stats/claim-power.js';
import { imageDifferences, pairsOf, type Pair } from './arm-difference.js';
import { finals } from './compared-arm.js';
import { readableRuns } from './find-recorded.js';
import type { PlannedRun } from './plan-runs.js';
import { isFinished, readForComparison } from './recorded-run.js';
import { plannedArmKey, recordedArmKey } from './run-key-of.js';
import type { TrainRequest } from './train.js';

/** What a planned comparison will be able to show; accuracies as shares. */
export interface PlanPower {
  /** The true difference that is asked about. */
  readonly difference: number;
  readonly spread: Spread;
  /** Pairs of recorded runs that the spread was seen on; 0 where it is assumed. */
  readonly pairs: number;
  /** As planned, and the chance to show the difference with so many; null with one seed, which shows nothing. */
  readonly seeds: number;
  readonly chance: number | null;
  /** Seeds that show the difference 4 times in 5; null where 1,000 do not. */
  readonly seedsNeeded: number | null;
  /** Validation images below which no number of seeds shows the difference 4 times in 5. */
  readonly imagesNeeded: number;
}

const DIFFERENCE = 0.02;
/** Between seeds, fine-tuning a small network for a few epochs; on images, two runs that disagree on some 15%. */
const ASSUMED = { sd: 0.02, between: 0.05, within: 0.1 };

/** The power of the last arm against the first, at the spread seen so far in --out, or an assumed one. */
export async function planPower(
  { settings, environment }: TrainRequest,
  planned: readonly PlannedRun[],
  arms: readonly string[],
): Promise<PlanPower> {
  const keys = new Map(
    planned.map(({ bench, config }) => [config.arm, plannedArmKey(bench, config, environment)]),
  );
  const runs = (await readableRuns(settings.out)).filter((record) =>
    [...keys.values()].includes(recordedArmKey(record)),
  );
  const read = (await Promise.all(runs.map(({ dir }) => readForComparison(dir)))).filter(isFinished);
  const ofArm = (arm: string | undefined) => read.filter((run) => run.arm === arm);
  const pairs = arms.length < 2 ? [] : pairsOf(ofArm(arms.at(-1)), ofArm(arms[0]));
  const images = planned[0]?.bench.images.valid.length ?? 1;
  const seen = seenSpread(pairs, images);
  const spread = seen ?? { ...ASSUMED, images };
  return {
    difference: DIFFERENCE,
    spread,
    pairs: seen === null ? 0 : pairs.length,
    seeds: settings.seeds,
    chance: settings.seeds < 2 ? null : claimPower(DIFFERENCE, spread, settings.seeds),
    seedsNeeded: seedsToClaim(DIFFERENCE, spread),
    imagesNeeded: imagesToClaim(DIFFERENCE, spread),
  };
}

/** Null where pairs are too few to show a spread, or show none. */
function seenSpread(pairs: readonly Pair[], images: number): Spread | null {
  const rows = imageDifferences(pairs);
  if (pairs.length < 2 || rows === null || images < 2) return null;
  const { sd } = pairedDifference(finals(pairs.map((p) => p.arm)), finals(pairs.map((p) => p.baseline)));
  return sd === null || sd === 0 ? null : { sd, ...imageVariances(rows), images };
}
