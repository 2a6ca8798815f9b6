import { Worker } from 'node:worker_threads';
import type { RunConfig } from '../config/run-config.js';
import { InUseError, RunError, UsageError } from '../errors.js';
import { limitReached } from '../system.js';
import type { RunContext } from '../train/run.js';
import type { Emit, ExperimentEvent } from '../workbench/events.js';
import type { WorkbenchHandle } from '../workbench/share.js';

/** What became of a task: the folder of its run, or the error that ended it and the folder it has by then. */
export type TaskOutcome =
  { readonly run: string } | { readonly error: Error; readonly folder?: string | undefined };

/**
 * Trains runs side by side, `jobs` threads at a time with a backend each, in the order given. Results do
 * not depend on `jobs`. After an abort running tasks save and end; waiting ones are not begun (undefined).
 */
export async function trainAll(
  tasks: readonly RunTask[],
  { jobs, backend, emit, signal, before = (task) => Promise.resolve(task) }: TrainAllOptions,
): Promise<(TaskOutcome | undefined)[]> {
  const outcomes: (TaskOutcome | undefined)[] = tasks.map(() => undefined);
  const waiting = tasks.entries();
  const threads = new Set<RunThread>();
  const begin = () => {
    const thread = new RunThread(backend, emit);
    threads.add(thread);
    return thread;
  };
  const serve = async () => {
    let thread = begin();
    try {
      for (const [i, task] of waiting) {
        if (signal.aborted) return;
        // A thread that died took its own run with it, not those that wait.
        if (thread.dead) thread = begin();
        const now = await before(task, i);
        outcomes[i] = 'config' in now ? await thread.train(now) : now;
      }
    } finally {
      await thread.close();
    }
  };
  // One listener for all threads: Node warns of a leak where a signal has more than ten.
  const stop = () => threads.forEach((thread) => thread.stop());
  signal.addEventListener('abort', stop);
  try {
    await Promise.all(Array.from({ length: Math.min(jobs, tasks.length) }, serve));
  } finally {
    signal.removeEventListener('abort', stop);
  }
  return outcomes;
}

interface TrainAllOptions {
  readonly jobs: number;
  readonly backend: string;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** Looks at a task when its turn comes: what it is by now, or its outcome where nothing is to be done any more. */
  readonly before?: (task: RunTask, index: number) => Promise<RunTask | TaskOutcome>;
}

/** One thread that trains one run at a time. */
class RunThread {
  /** Whether the thread has ended by itself. */
  dead = false;
  private readonly thread: Worker;
  private settle: ((outcome: TaskOutcome) => void) | undefined;
  private folder: string | undefined;

  constructor(backend: string, emit: Emit) {
    // The compiled file, also when this one runs from its source: threads start plain JavaScript.
    const file = new URL('../../dist/compare/worker.js', import.meta.url);
    this.thread = new Worker(file, { workerData: { backend } });
    this.thread.on('message', (reply: RunWorkerReply) => {
      if (reply.type === 'event') {
        if (reply.event.type === 'recorded') this.folder = reply.event.folder;
        emit(reply.event);
      } else if (reply.type === 'done') this.settle?.({ run: reply.run });
      else this.fail(revived(reply));
    });
    this.thread.on('error', (error: Error) => this.die((limitReached(error) ?? error).message));
    this.thread.on('exit', (code) => this.die(`it ended with code ${code}`));
  }

  train(task: RunTask): Promise<TaskOutcome> {
    return new Promise((resolve) => {
      this.folder = task.resume;
      this.settle = resolve;
      this.post({ type: 'train', task });
    });
  }

  stop(): void {
    this.post({ type: 'stop' });
  }

  async close(): Promise<void> {
    await this.thread.terminate();
  }

  /** Settling a promise again does nothing, so the first cause stands. */
  private die(reason: string): void {
    this.dead = true;
    this.fail(new RunError(`A worker thread died: ${reason}`));
  }

  private fail(error: Error): void {
    this.settle?.({ error, folder: this.folder });
  }

  private post(request: RunWorkerRequest): void {
    this.thread.postMessage(request);
  }
}

/** Errors lose their class between threads; the exit code depends on it. */
function revived({ name, message, stack }: RunWorkerReply & { type: 'error' }): Error {
  if (name === 'InUseError') return new InUseError(message);
  if (name === 'UsageError') return new UsageError(message);
  if (name === 'RunError') return new RunError(message);
  return Object.assign(new Error(message), { stack });
}

/** What a thread that trains whole runs is started with. */
export interface RunWorkerData {
  readonly backend: string;
}

/** One run to train, on the bench that all runs share. */
export interface RunTask {
  readonly bench: WorkbenchHandle;
  readonly config: RunConfig;
  readonly context: Pick<RunContext, 'environment' | 'out' | 'tensorboard' | 'workers'>;
  /** An interrupted run's folder to go on with. */
  readonly resume: string | undefined;
}

export type RunWorkerRequest = { readonly type: 'train'; readonly task: RunTask } | { readonly type: 'stop' };

export type RunWorkerReply =
  | { readonly type: 'event'; readonly event: ExperimentEvent }
  | { readonly type: 'done'; readonly run: string }
  | { readonly type: 'error'; readonly name: string; readonly message: string; readonly stack: string };
