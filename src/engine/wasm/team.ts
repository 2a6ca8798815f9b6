import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { messageOf, RunError } from '../../errors.js';
import { limitReached } from '../../system.js';
import { InputKind, type Job, type JobBoard, type JobOrder } from './job-board.js';
import type { NetworkPlan } from './network-plan.js';
import type { Phase, TeamMember } from './team-member.js';

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
  private readonly workers: Worker[] = [];
  /** Why the team computes no more. */
  private death: RunError | undefined;
  private readonly headOnly: boolean;

  constructor(
    private readonly plan: NetworkPlan,
    private readonly board: JobBoard,
    private readonly member: TeamMember,
  ) {
    this.headOnly = plan.trained.length === 0;
  }

  /** Starts the workers. Throws RunError where the system gives no more threads: those that have started end with `close`. */
  start(memory: WebAssembly.Memory, module: WebAssembly.Module): void {
    const { plan } = this;
    for (let thread = 1; thread < plan.arenas.length; thread++) {
      const workerData: TeamWorkerData = { memory, module, plan, thread };
      const worker = startWorker(workerData);
      worker.on('error', (error) => this.die(`failed: ${messageOf(limitReached(error) ?? error)}`));
      worker.on('exit', (code) => this.die(`died with code ${code}`));
      worker.unref();
      this.workers.push(worker);
    }
  }

  /** Throws RunError where the team computes no more. */
  requireAlive(): void {
    if (this.death !== undefined) throw this.death;
  }

  get size(): number {
    return this.workers.length + 1;
  }

  /** Does a job with all threads that have started. Throws RunError where one has died or failed. */
  async run(order: JobOrder): Promise<void> {
    this.requireAlive();
    if (this.isSmall(order)) this.board.put(order);
    else this.board.post(order);
    const job = this.board.read();
    for (const phase of this.member.phasesOf(job)) {
      const done = this.workOn(job, phase);
      while (!this.board.awaitPhaseAfter(done, PATIENCE)) {
        await nextTurn();
        this.requireAlive();
      }
    }
  }

  private workOn(job: Job, phase: Phase): number {
    try {
      return this.member.work(job, phase, 0);
    } catch (error) {
      // The others wait for this thread.
      this.death ??= new RunError(`The engine failed: ${messageOf(error)}`);
      throw error;
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

function startWorker(workerData: TeamWorkerData): Worker {
  try {
    // The compiled file, also when this one runs from its source: threads start plain JavaScript.
    return new Worker(new URL('../../../dist/engine/wasm/team-worker.js', import.meta.url), { workerData });
  } catch (error) {
    throw limitReached(error) ?? error;
  }
}
