import { setTimeout as pause } from 'node:timers/promises';
import type { NetworkSetup } from '../../../src/engine/params.js';
import { WasmEngine } from '../../../src/engine/wasm/engine.js';
import { InputKind, Op } from '../../../src/engine/wasm/job-board.js';
import type { TeamMember } from '../../../src/engine/wasm/team-member.js';
import { opened } from './engine-runs.js';

export const SLICE = 3;
export const BATCH = 8;

interface TeamOptions {
  readonly threads?: number;
  readonly sliceSize?: number;
  readonly batchSize?: number;
  /** Leaves all work to the others, who otherwise might come too late for so little of it. */
  readonly firstRests?: boolean;
}

/** An engine whose threads have all started. */
export async function engineOf(
  setup: NetworkSetup,
  { threads = 1, sliceSize = SLICE, batchSize = BATCH, firstRests = false }: TeamOptions = {},
): Promise<WasmEngine> {
  const engine = await opened(WasmEngine.open(setup, { sliceSize, batchSize, threads }));
  while (taking(engine) < threads - 1) {
    if (engine['team']['death'] !== undefined) throw engine['team']['death'];
    await pause(1);
  }
  if (firstRests) {
    const work: TeamMember['work'] = (job, { finish }) =>
      engine['board'].arrive(job.threads, () => finish?.(job));
    Object.assign(engine['member'], { work });
  }
  return engine;
}

/** One thread, two and three, and two of three; their results are to be the same bits. */
export function teams(setup: NetworkSetup, options: TeamOptions = {}): Promise<WasmEngine[]> {
  const kinds: TeamOptions[] = [{}, { threads: 2 }, { threads: 3 }, { threads: 3, firstRests: true }];
  return Promise.all(kinds.map((kind) => engineOf(setup, { ...options, ...kind })));
}

/** How many further threads take part in a job; this one is of no items. */
function taking(engine: WasmEngine): number {
  const board = engine['board'];
  board.post({ op: Op.logits, items: 0, kind: InputKind.images });
  const { threads } = board.read();
  const phase = board.arrive(threads, () => undefined);
  if (!board.awaitPhaseAfter(phase, 10_000)) throw new Error('a thread does not answer');
  return threads - 1;
}
