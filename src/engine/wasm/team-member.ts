import { batchWeight } from '../params.js';
import type { TrainingKernels } from './compile-kernels.js';
import { floatsAt } from './heap.js';
import { imageEntry } from './input-area.js';
import { InputKind, type Job, type JobBoard, Op } from './job-board.js';
import type { ArenaPlan, NetworkPlan, TrainedUnitPlan, UnitPlan } from './network-plan.js';
import { SlicePass } from './slice-pass.js';
import { BatchPass, type Part } from './batch-pass.js';

/** The work of one thread of a team. */
export class TeamMember {
  private readonly arena: ArenaPlan;
  private readonly pass: SlicePass;
  private readonly batchPass: BatchPass | undefined;
  private readonly losses: Float64Array;
  private readonly usedRates: Float64Array;
  private readonly labels: Int32Array;

  /** @param thread from 0; also the number of its arena */
  constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly kernels: TrainingKernels,
    private readonly plan: NetworkPlan,
    private readonly board: JobBoard,
    thread: number,
  ) {
    const arena = plan.arenas[thread];
    if (arena === undefined) throw new Error(`the plan has no arena for thread ${thread}`);
    this.arena = arena;
    this.pass = new SlicePass(memory, kernels, plan, arena);
    const { batch } = plan;
    this.batchPass =
      batch === null ? undefined : new BatchPass(memory, kernels, plan, batch, arena, this.pass);
    this.losses = new Float64Array(memory.buffer, plan.losses, plan.lossCount);
    this.usedRates = new Float64Array(memory.buffer, plan.usedRates, 2 * (plan.trained.length + 1));
    this.labels = new Int32Array(memory.buffer, plan.labels, plan.capacity);
  }

  /** Throws where no unit has batch norm. */
  get wholeBatch(): BatchPass {
    if (this.batchPass === undefined) throw new Error('no trained unit has batch norm');
    return this.batchPass;
  }

  /** Takes items of the current job until none is left. */
  work(): void {
    const job = this.board.read();
    for (let item = this.board.take(job); item !== undefined; item = this.board.take(job)) {
      this.perform(job, item);
    }
  }

  /** Writes a unit's weights in the order in which the kernels read them. */
  pack({ kind, geometry, kernel, bias, panels, panelBias, transposed, outChannels }: UnitPlan): void {
    if (kind === 'depthwise') return;
    this.kernels.packFilter(geometry, kernel, panels);
    if (transposed !== 0) this.kernels.packFilterTransposed(geometry, kernel, transposed);
    floatsAt(this.memory, panelBias, outChannels).set(floatsAt(this.memory, bias, outChannels));
  }

  private perform(job: Job, item: number): void {
    switch (job.op) {
      case Op.gradients:
        return this.gradients(job, item);
      case Op.sumRows:
        return this.sumRows(job, item);
      case Op.update:
        return this.update(job, item);
      case Op.features: {
        const { from, images } = this.sliceOf(job, item);
        this.loadImages(from, images);
        this.pass.features(images, job.output + from * this.plan.featureFloats * 4);
        return;
      }
      case Op.logits: {
        const { from, images } = this.sliceOf(job, item);
        const logits = this.pass.logits(images, this.featuresOf(job, from, images));
        const count = images * this.plan.classes;
        const target = floatsAt(this.memory, job.output + from * this.plan.classes * 4, count);
        target.set(floatsAt(this.memory, logits, count));
        return;
      }
      case Op.forwardUnit:
        return this.wholeBatch.forward(job.unit, this.partOf(job, item));
      case Op.lossOfPart: {
        const part = this.partOf(job, item);
        const labels = this.labels.slice(part.from, part.from + part.images);
        this.losses[part.index] = this.wholeBatch.loss(
          labels,
          part,
          this.rowOf(part.index),
          this.weightOf(job),
        );
        return;
      }
      case Op.backwardUnit: {
        const part = this.partOf(job, item);
        return this.wholeBatch.backward(job.unit, part, this.rowOf(part.index));
      }
      case Op.fold: {
        const evaluated = this.wholeBatch.fold(item);
        if (evaluated !== undefined) this.pack(evaluated);
      }
    }
  }

  private gradients(job: Job, slice: number): void {
    const { from, images } = this.sliceOf(job, slice);
    const row = this.rowOf(job.firstRow + slice - job.firstItem);
    const features = this.featuresOf(job, from, images);
    const labels = this.labels.slice(from, from + images);
    this.losses[slice] = this.pass.gradients(labels, features, row, this.weightOf(job));
  }

  private sumRows({ rows }: Job, unit: number): void {
    const rowBytes = this.plan.parameterFloats * 4;
    for (const { offset, length } of this.trainedUnit(unit).parameters) {
      const first = this.plan.rows + offset * 4;
      for (let row = 1; row < rows; row++) this.kernels.addInPlace(first, first + row * rowBytes, length);
    }
  }

  private update({ rows, images }: Job, unit: number): void {
    const { weights, velocities, rows: gradients, parameterFloats } = this.plan;
    const { learningRate, momentum } = this.board.rates;
    const planned = this.trainedUnit(unit);
    for (const { offset, length, rateMultiplier, weightDecay } of planned.parameters) {
      const at = offset * 4;
      this.kernels.sgdMomentum(
        weights + at,
        velocities + at,
        gradients + at,
        rows,
        parameterFloats * 4,
        length,
        learningRate * rateMultiplier,
        momentum,
        weightDecay,
      );
    }
    if (planned.batchNorm !== null) this.wholeBatch.updateStatistics(unit, images);
    this.usedRates.set([learningRate, momentum], 2 * unit);
    this.pack(planned);
  }

  /** What the whole batch counts, which every thread adds up in the order of its images. */
  private weightOf({ batchSize }: Job): number {
    return batchWeight(this.labels.subarray(0, batchSize), this.plan.classWeights);
  }

  /** The trained units in sequence, after them the head. */
  private trainedUnit(index: number): TrainedUnitPlan {
    return this.plan.trained[index] ?? this.plan.head;
  }

  private sliceOf({ images }: Job, slice: number): { from: number; images: number } {
    const from = slice * this.plan.sliceSize;
    return { from, images: Math.min(this.plan.sliceSize, images - from) };
  }

  /** Every second unit takes the parts from the back: what the unit before wrote last still lies in the cache. */
  private partOf({ images, unit, items }: Job, item: number): Part {
    const partSize = this.plan.batch?.partSize ?? NaN;
    const index = unit % 2 === 0 ? item : items - 1 - item;
    const from = index * partSize;
    return { index, from, images: Math.min(partSize, images - from) };
  }

  private rowOf(row: number): number {
    return this.plan.rows + row * this.plan.parameterFloats * 4;
  }

  /** The address of a slice's features, which are computed where the job brings images. */
  private featuresOf({ kind, input }: Job, from: number, images: number): number {
    if (kind === InputKind.features) return input + from * this.plan.featureFloats * 4;
    this.loadImages(from, images);
    this.pass.features(images, this.arena.features);
    return this.arena.features;
  }

  /** Crops, mirrors and resizes images to network inputs in the arena. */
  private loadImages(from: number, images: number): void {
    const { imageSize } = this.plan;
    for (let i = 0; i < images; i++) {
      const out = this.arena.images + i * imageSize ** 2 * 3 * 4;
      this.kernels.imageInput(imageEntry(this.plan, from + i), imageSize, this.arena.scratch, out);
    }
  }
}
