import { Worker } from 'node:worker_threads';
import { RunError } from '../errors/errors.js';
import type { Rates } from '../schedule/schedule.js';
import type { Engine, StepOutcome } from './engine.js';
import { joined } from './join.js';
import { inputLength, sliceInput, type FeatureShape, type NetworkInput } from './network-input.js';
import { ReplicaMember } from './replica-member.js';
import type { ReplicaReply, ReplicaRequest, ReplicaWorkerData, SliceTask } from './replica-protocol.js';
import { Replica, type ReplicaSetup, type ReplicaState } from './replica.js';
import { featureShape } from './shapes.js';
import { SharedGradients } from './shared-gradients.js';
import { slicesOf } from './slices.js';

/** A replica in another thread; answers come in the order of the requests. */
class RemoteReplica {
  private readonly waiting: { resolve: (reply: ReplicaReply) => void; reject: (error: Error) => void }[] = [];
  private readonly thread: Worker;
  /** Why there will be no more answers. */
  private death: RunError | undefined;

  constructor(data: ReplicaWorkerData) {
    // The compiled file, also when this one runs from its source: threads start plain JavaScript.
    this.thread = new Worker(new URL('../../dist/training/replica-worker.js', import.meta.url), {
      workerData: data,
    });
    this.thread.on('message', (reply: ReplicaReply) => this.waiting.shift()?.resolve(reply));
    this.thread.on('error', ({ message }) => this.die(message));
    this.thread.on('exit', (code) => this.die(`it ended with code ${code}`));
    this.thread.unref();
  }

  async ask(request: ReplicaRequest): Promise<Float32Array | Float64Array | undefined> {
    if (this.death !== undefined) throw this.death;
    this.thread.ref();
    const reply = await new Promise<ReplicaReply>((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.thread.postMessage(request);
    });
    if (this.waiting.length === 0) this.thread.unref();
    if (!reply.ok) throw new RunError(`A worker thread failed: ${reply.message}`);
    return reply.values;
  }

  private die(reason: string): void {
    this.death ??= new RunError(
      `A worker thread died: ${reason}. Where memory is short, use fewer --workers or --jobs.`,
    );
    for (const { reject } of this.waiting.splice(0)) reject(this.death);
  }

  async close(): Promise<void> {
    await this.thread.terminate();
  }
}

/**
 * Data parallelism over threads with a wasm instance each: the batch's slices are dealt out, every
 * replica sums all of them in index order and makes the same update to its own copy of the weights.
 */
export class ParallelEngine implements Engine {
  readonly featureShape: FeatureShape;
  private readonly local: Replica;
  private readonly member: ReplicaMember;
  private readonly remotes: readonly RemoteReplica[];

  constructor(
    setup: ReplicaSetup,
    readonly sliceSize: number,
    batchSize: number,
    readonly workers: number,
  ) {
    this.featureShape = featureShape(setup.backbone, setup.firstTrained, setup.imageSize);
    this.local = new Replica(setup);
    const gradients = SharedGradients.allocate(this.local.trained, Math.ceil(batchSize / sliceSize));
    this.member = new ReplicaMember(this.local, new SharedGradients(this.local.trained, gradients));
    this.remotes = Array.from({ length: workers - 1 }, () => new RemoteReplica({ setup, gradients }));
  }

  features(input: NetworkInput): Promise<Float32Array> {
    return this.forward('features', input);
  }

  logits(input: NetworkInput): Promise<Float32Array> {
    return this.forward('logits', input);
  }

  async step(input: NetworkInput, labels: Int32Array, rates: Rates): Promise<StepOutcome> {
    const batchSize = labels.length;
    const tasks: SliceTask[] = slicesOf(batchSize, this.sliceSize).map(({ from, to }, slice) => ({
      slice,
      input: sliceInput(input, from, to),
      labels: labels.slice(from, to),
    }));
    const shares = this.deal(tasks);
    const [own = [], ...others] = shares;
    const asked = this.remotes.map((remote, i) =>
      remote.ask({ op: 'gradients', tasks: others[i] ?? [], batchSize }),
    );
    // All at once: an answer that fails while another is awaited must not go unheard.
    const answers = await Promise.all([this.member.gradients(own, batchSize), ...asked]);
    const losses = new Float64Array(tasks.length);
    shares.forEach((share, i) => share.forEach(({ slice }, k) => (losses[slice] = answers[i]?.[k] ?? NaN)));

    const updates = this.remotes.map((remote) => remote.ask({ op: 'update', slices: tasks.length, rates }));
    const [held] = await Promise.all([this.updateOwn(tasks.length, rates), ...updates]);
    return { loss: losses.reduce((sum, loss) => sum + loss, 0) / batchSize, rates: held };
  }

  snapshot(): Promise<ReplicaState> {
    return this.local.snapshot();
  }

  async restore(state: ReplicaState): Promise<void> {
    this.local.restore(state);
    await Promise.all(this.remotes.map((remote) => remote.ask({ op: 'restore', state })));
  }

  async dispose(): Promise<void> {
    this.member.dispose();
    await Promise.all(this.remotes.map((remote) => remote.close()));
  }

  /** Neighbouring items to the same member, as evenly as they go. */
  private deal<Item>(items: readonly Item[]): Item[][] {
    const share = items.length / this.workers;
    return Array.from({ length: this.workers }, (_, i) =>
      items.slice(Math.round(i * share), Math.round((i + 1) * share)),
    );
  }

  private async forward(op: 'features' | 'logits', input: NetworkInput): Promise<Float32Array> {
    const slices = slicesOf(inputLength(input), this.sliceSize).map(({ from, to }) =>
      sliceInput(input, from, to),
    );
    const [own = [], ...others] = this.deal(slices);
    const asked = this.remotes.map((remote, i) =>
      Promise.all((others[i] ?? []).map((slice) => remote.ask({ op, input: slice }))),
    );
    const parts = await Promise.all([this.forwardOwn(op, own), ...asked]);
    return joined(parts.flat().filter((part) => part instanceof Float32Array));
  }

  private async forwardOwn(
    op: 'features' | 'logits',
    slices: readonly NetworkInput[],
  ): Promise<Float32Array[]> {
    const parts: Float32Array[] = [];
    for (const slice of slices) parts.push(await this.member.forward(op, slice));
    return parts;
  }

  private async updateOwn(slices: number, rates: Rates): Promise<Rates> {
    return this.member.update(slices, rates);
  }
}
