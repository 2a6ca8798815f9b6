import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { messageOf, RunError } from '../../errors.js';
import { limitReached } from '../../system.js';
import { InputKind, type JobBoard, type JobOrder } from './job-board.js';
import type { NetworkPlan } from './network-plan.js';
import type { TeamMember } from './team-member.js';

/** What a further thread needs at its start. */
export interface TeamWorkerData {
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  readonly plan: NetworkPlan;
  /** Its number, from 1. */
  readonly thread: number;
}

/** How long to wait for the others before checking that all are alive, in milliseconds. */
const PATIENCE = 100;

/** The threads that share a network's memory: this one, and a worker for each further arena of the plan. */
export class Team {
  private readonly workers: readonly Worker[];
  /** Why the team computes no more. */
  private death: RunError | undefined;
  private readonly headOnly: boolean;

  constructor(
    memory: WebAssembly.Memory,
    module: WebAssembly.Module,
    plan: NetworkPlan,
    private readonly board: JobBoard,
    private readonly member: TeamMember,
  ) {
    this.headOnly = plan.trained.length === 0;
    this.workers = plan.arenas.slice(1).map((_, i) => {
      const workerData: TeamWorkerData = { memory, module, plan, thread: i + 1 };
      // The compiled file, also when this one runs from its source: threads start plain JavaScript.
      const worker = new Worker(new URL('../../../dist/engine/wasm/team-worker.js', import.meta.url), {
        workerData,
      });
      worker.on('error', (error) => this.die(`failed: ${messageOf(limitReached(error) ?? error)}`));
      worker.on('exit', (code) => this.die(`died with code ${code}`));
      worker.unref();
      return worker;
    });
  }

  get size(): number {
    return this.workers.length + 1;
  }

  /**
   * Does a job with all threads that have started. Throws RunError where one has died or failed.
   * @returns undefined where it is done: a step may have a hundred jobs, and a promise takes longer than the others' last moments
   */
  run(job: JobOrder): Promise<void> | undefined {
    if (this.death !== undefined) throw this.death;
    if (this.isSmall(job)) {
      this.board.put(job);
      this.member.work();
      return undefined;
    }
    const threads = this.board.post(job);
    try {
      this.member.work();
    } catch (error) {
      return this.others(threads).then(() => {
        throw error;
      });
    }
    return this.board.awaitFinish(threads, PATIENCE) ? undefined : this.others(threads);
  }

  /** Waits for so many threads to finish. */
  private async others(threads: number): Promise<void> {
    while (!this.board.awaitFinish(threads, PATIENCE)) {
      await nextTurn();
      if (this.death !== undefined) throw this.death;
    }
  }

  /** Training a head on stored features takes less time than waking another thread. */
  private isSmall({ kind }: JobOrder): boolean {
    return this.headOnly && kind === InputKind.features;
  }

  async close(): Promise<void> {
    this.death ??= new RunError('The engine was disposed.');
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  private die(how: string): void {
    this.death ??= new RunError(
      `A worker thread ${how}. Where memory is short, use fewer --workers or --jobs.`,
    );
  }
}
