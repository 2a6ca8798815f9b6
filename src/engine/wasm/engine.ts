import { UsageError } from '../../errors.js';
import type { Rates } from '../../schedule/schedule.js';
import {
  type Engine,
  type FeatureShape,
  type ImageInput,
  inputLength,
  joined,
  type NetworkInput,
  sliceInput,
  type StepOutcome,
} from '../engine.js';
import { batchWeight, matchState, matchStatistics, type NetworkSetup, type TrainedState } from '../params.js';
import { slicesOf } from '../shapes.js';
import { compileKernels, instantiateKernels } from './compile-kernels.js';
import { floatsAt, Heap } from './heap.js';
import { featureIdentity } from './identity.js';
import { setFeatures } from './batch-pass.js';
import { InputArea } from './input-area.js';
import { InputKind, type Job, JobBoard, Op } from './job-board.js';
import { type Layout, layOutNetwork } from './layout.js';
import { type BatchPlan, type NetworkPlan, parametersOf, statisticsOf } from './network-plan.js';
import { TeamMember } from './team-member.js';
import { Team } from './team.js';

/**
 * The engine for processors: one network in memory that threads share. Threads take slices of a batch; their gradients are
 * summed in the order of the slices, and every unit's weights are updated once. So results are bit-identical for any number of
 * threads.
 */
export class WasmEngine implements Engine {
  readonly sliceSize: number;
  readonly featureShape: FeatureShape;
  private readonly inputs: InputArea;
  /** Where a job writes features or logits, and how many floats fit there. */
  private output: { readonly address: number; readonly floats: number } | undefined;
  /** Whether the weights of evaluations are those of training. */
  private foldedSince = false;
  /** Settles with the last call. Calls take turns: there is one board, one input area and one output area. */
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly heap: Heap,
    private readonly plan: NetworkPlan,
    private readonly board: JobBoard,
    private readonly member: TeamMember,
    private readonly team: Team,
    readonly featureIdentity: string,
  ) {
    this.sliceSize = plan.sliceSize;
    this.featureShape = plan.featureShape;
    this.inputs = new InputArea(heap, plan);
    for (const unit of plan.frozen) member.pack(unit);
    this.packTrained();
  }

  /** Throws RunError where the network does not fit on the heap, or the system gives no more threads. */
  static async open(setup: NetworkSetup, layout: Layout): Promise<WasmEngine> {
    const heap = new Heap();
    let team: Team | undefined;
    try {
      const compiled = await compileKernels();
      const { module } = compiled;
      const kernels = await instantiateKernels(module, heap.memory);
      const plan = layOutNetwork(heap, kernels, setup, layout);
      const board = new JobBoard(heap.memory, plan.board, plan.arenas.length);
      const member = new TeamMember(heap.memory, kernels, plan, board, 0);
      team = new Team(plan, board, member);
      team.start(heap.memory, module);
      return new WasmEngine(heap, plan, board, member, team, featureIdentity(setup, compiled));
    } catch (error) {
      // Threads that have started would take part in what the next engine does in this memory.
      await team?.close();
      heap.close();
      throw error;
    }
  }

  get workers(): number {
    return this.team.size;
  }

  features(input: ImageInput): Promise<Float32Array> {
    return this.inParts(input, Op.features, this.plan.featureFloats);
  }

  logits(input: NetworkInput): Promise<Float32Array> {
    return this.inParts(input, Op.logits, this.plan.classes, () => this.foldStatistics());
  }

  step(input: NetworkInput, labels: Int32Array, rates: Rates): Promise<StepOutcome> {
    return this.inTurn(async () => {
      const batchSize = labels.length;
      const { batch, trained, losses, usedRates } = this.plan;
      if (batchSize === 0 || batchSize > this.plan.batchSize) {
        throw new Error(`a batch of ${batchSize} images where ${this.plan.batchSize} are planned for`);
      }
      this.requireVariance(batchSize);
      const job = { ...this.inputs.put(input, labels), batchSize };
      const { rows, losses: count } = await (batch === null
        ? this.gradientsBySlices(job)
        : this.gradientsByUnits(job, batch));
      const items = trained.length + 1;
      const used = new Float64Array(this.heap.memory.buffer, usedRates, 2 * items).fill(NaN);
      this.board.rates = rates;
      await this.team.run({ op: Op.update, kind: job.kind, items, images: batchSize, rows });
      this.foldedSince = false;
      const lossSum = new Float64Array(this.heap.memory.buffer, losses, count).reduce(
        (sum, loss) => sum + loss,
        0,
      );
      return { loss: lossSum / batchWeight(labels, this.plan.classWeights), rates: commonRates(used) };
    });
  }

  /** Every slice goes through the whole network. Answers how many rows of gradients there are in the end, and how many losses. */
  private async gradientsBySlices(job: StepJob): Promise<{ rows: number; losses: number }> {
    const { rowCount, trained, sliceSize } = this.plan;
    const slices = Math.ceil(job.images / sliceSize);
    let rows = 0;
    for (let slice = 0; slice < slices;) {
      // The first row holds the sum of all earlier slices.
      if (slice > 0) {
        await this.team.run({ kind: job.kind, items: trained.length + 1, op: Op.sumRows, rows });
        rows = 1;
      }
      const items = Math.min(rowCount - rows, slices - slice);
      await this.team.run({ ...job, op: Op.gradients, items, firstItem: slice, firstRow: rows });
      slice += items;
      rows += items;
    }
    return { rows, losses: slices };
  }

  /** The whole batch goes through one unit after another, since batch norm needs its mean and variance before the next one. */
  private async gradientsByUnits(job: StepJob, batch: BatchPlan): Promise<{ rows: number; losses: number }> {
    const { kind, images } = job;
    if (kind === InputKind.images) {
      const items = Math.ceil(images / this.plan.sliceSize);
      await this.team.run({ ...job, op: Op.features, items, output: batch.features });
    }
    setFeatures(this.heap, batch, kind === InputKind.images ? batch.features : job.input);
    const items = Math.ceil(images / batch.partSize);
    await this.team.run({ ...job, op: Op.wholeBatch, items });
    return { rows: items, losses: items };
  }

  /** Throws UsageError where a batch has one value a channel, which has no variance. */
  private requireVariance(images: number): void {
    const { trained, batch } = this.plan;
    trained.forEach(({ batchNorm }, i) => {
      const values = images * (batch?.layers[i]?.positions ?? 0);
      if (batchNorm === null || values > 1) return;
      throw new UsageError(
        `Batch norm in training mode needs more than one value per channel, but a batch of ${images} image at ` +
          `${this.plan.imageSize} pixels leaves ${values} at ${batchNorm.statistics.mean.name.replace(/\/mean$/u, '')}. ` +
          'Choose a batch size that leaves no batch of one image, or a larger image size.',
      );
    });
  }

  snapshot(): Promise<TrainedState> {
    return this.inTurn(async () => {
      const { weights, velocities } = this.plan;
      const copies = (from: number) =>
        new Map(
          parametersOf(this.plan).map(({ name, offset, length }) => [
            name,
            floatsAt(this.heap.memory, from + offset * 4, length).slice(),
          ]),
        );
      const statistics = statisticsOf(this.plan);
      return {
        weights: copies(weights),
        velocities: copies(velocities),
        ...(statistics.length === 0
          ? {}
          : {
              statistics: new Map(
                statistics.map(({ name, address, length }) => [
                  name,
                  floatsAt(this.heap.memory, address, length).slice(),
                ]),
              ),
            }),
      };
    });
  }

  restore(state: TrainedState): Promise<void> {
    return this.inTurn(async () => {
      const statistics = matchStatistics(statisticsOf(this.plan), state);
      for (const { offset, length, ...values } of matchState(parametersOf(this.plan), state)) {
        for (const part of ['weights', 'velocities'] as const) {
          floatsAt(this.heap.memory, this.plan[part] + offset * 4, length).set(values[part]);
        }
      }
      for (const { address, length, values } of statistics) {
        floatsAt(this.heap.memory, address, length).set(values);
      }
      this.packTrained();
      this.foldedSince = false;
    });
  }

  /** A call that is under way then fails. */
  async dispose(): Promise<void> {
    await this.team.close();
    await this.turn;
    this.heap.close();
  }

  /**
   * Runs calls one after another. None after `dispose`, for the memory may belong to another engine by then, and none after a
   * failure, which may have left the weights half updated.
   */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(() => {
      this.team.requireAlive();
      return work();
    });
    this.turn = result.catch(() => undefined);
    return result;
  }

  private packTrained(): void {
    for (const unit of [...this.plan.trained, this.plan.head]) this.member.pack(unit);
  }

  /** Features or logits of any number of images, as many at a time as the plan has room for. */
  private inParts(
    input: NetworkInput,
    op: Op,
    floats: number,
    prepare = (): Promise<void> => Promise.resolve(),
  ): Promise<Float32Array> {
    return this.inTurn(async () => {
      await prepare();
      const parts: Float32Array[] = [];
      for (const { from, to } of slicesOf(inputLength(input), this.plan.capacity)) {
        const job = this.inputs.put(sliceInput(input, from, to), undefined);
        const output = this.outputOf(this.plan.capacity * floats);
        const items = Math.ceil((to - from) / this.sliceSize);
        await this.team.run({ ...job, op, items, output });
        parts.push(floatsAt(this.heap.memory, output, (to - from) * floats).slice());
      }
      return joined(parts);
    });
  }

  /** Folds running batch norm into the weights that evaluations use, where training has moved on since the last time. */
  private async foldStatistics(): Promise<void> {
    if (this.plan.batch === null || this.foldedSince) return;
    await this.team.run({ op: Op.fold, kind: InputKind.images, items: this.plan.trained.length });
    this.foldedSince = true;
  }

  private outputOf(floats: number): number {
    if (this.output === undefined || this.output.floats < floats) {
      this.output = { address: this.heap.allocateFloats(floats), floats };
    }
    return this.output.address;
  }
}

/** Where the batch of a step lies. */
type StepJob = Pick<Job, 'kind' | 'images' | 'input' | 'batchSize'>;

/** The rate and momentum of all updates, given one after another. Throws where not all were made, or with the same ones. */
function commonRates(used: Float64Array): Rates {
  const [learningRate = NaN, momentum = NaN] = used;
  if (used.some((value, i) => value !== (i % 2 === 0 ? learningRate : momentum))) {
    throw new Error('the update did not use one rate and one momentum for all weights');
  }
  return { learningRate, momentum };
}
