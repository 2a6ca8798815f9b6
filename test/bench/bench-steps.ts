import type { Measured, Peer, StepCase } from './bench-peers.js';
import { ratios, spread, type Spread } from './bench-spread.js';

/** One engine on one piece of work. */
export interface Row {
  readonly engine: string;
  readonly network: string;
  readonly size: number;
  readonly batch: number;
  readonly msPerImage: Spread;
}

/** The full step of all engines in rounds, one process each, in turns. */
export interface StepBench {
  readonly rows: readonly Row[];
  /** Ours over the peer's for the full step with all weights trained, by the peer's name. */
  readonly ratios: Readonly<Record<string, Spread>>;
  /** Megabytes, by engine. */
  readonly peaks: Readonly<Record<string, number>>;
}

const FOLDED: readonly StepCase[] = [
  { key: 'v2-0.35-96', alpha: 0.35, size: 96, batch: 32, steps: 20, warmUp: 4, batchNorm: 'fold' },
  { key: 'v2-0.35-128', alpha: 0.35, size: 128, batch: 32, steps: 12, warmUp: 4, batchNorm: 'fold' },
  { key: 'v2-0.35-224', alpha: 0.35, size: 224, batch: 32, steps: 5, warmUp: 2, batchNorm: 'fold' },
  { key: 'v2-1.0-224', alpha: 1, size: 224, batch: 16, steps: 3, warmUp: 1, batchNorm: 'fold' },
];

/** Each with batch norm folded, and in training mode. */
export const CASES: readonly StepCase[] = [
  ...FOLDED,
  ...FOLDED.map((work): StepCase => ({ ...work, key: `${work.key}-train`, batchNorm: 'train' })),
];

/** @param peers ours first; all of them present */
export async function benchSteps(
  work: StepCase,
  [ours, ...others]: readonly [Peer, ...Peer[]],
  rounds: number,
  say: (line: string) => void,
): Promise<StepBench> {
  const peers = others.filter((peer) => peer.takes?.(work) ?? true);
  const measured = new Map<string, Measured[]>([ours, ...peers].map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const peer of [ours, ...peers]) {
      say(`${work.key}, round ${round} of ${rounds}: ${peer.name}`);
      measured.get(peer.name)?.push(await peer.measure(work));
    }
  }
  const series = (name: string, part: string) =>
    (measured.get(name) ?? []).flatMap(({ msPerImage }) => msPerImage[part] ?? []);
  return {
    rows: [...measured].flatMap(([name, rows]) =>
      Object.keys(rows[0]?.msPerImage ?? {}).map((part): Row => ({
        engine: `${name}, ${PARTS[part] ?? part}`,
        network: `MobileNetV2 ${work.alpha}${work.batchNorm === 'train' ? ', batch norm trained' : ''}`,
        size: work.size,
        batch: work.batch,
        msPerImage: spread(series(name, part)),
      })),
    ),
    ratios: Object.fromEntries(
      peers.map(({ name }) => [name, ratios(series(ours.name, 'all'), series(name, 'all'))]),
    ),
    peaks: Object.fromEntries(
      [...measured].map(([name, rows]) => [
        name,
        Math.max(...rows.map(({ peakMegabytes }) => peakMegabytes)),
      ]),
    ),
  };
}

const PARTS: Readonly<Record<string, string>> = {
  forward: 'forward',
  all: 'full step, all trained',
  'last:11': 'full step, last:11 trained',
  head: 'full step, head trained',
};
