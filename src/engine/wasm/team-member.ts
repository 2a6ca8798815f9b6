import { batchWeight } from '../params.js';
import type { TrainingKernels } from './compile-kernels.js';
import { floatsAt } from './heap.js';
import { imageEntry } from './input-area.js';
import { InputKind, type Job, type JobBoard, Op } from './job-board.js';
import type { ArenaPlan, NetworkPlan, TrainedUnitPlan, UnitPlan } from './network-plan.js';
import { SlicePass } from './slice-pass.js';
import { BatchPass, type Part } from './batch-pass.js';

/** A part of a job; a phase begins when all threads have done the one before. */
export interface Phase {
  readonly perform: (job: Job, item: number) => void;
  /** What one thread does when all items are done. */
  readonly finish?: (job: Job) => void;
  /** Whether items are taken in reverse: what the phase before did last still lies in the cache. */
  readonly fromBack?: boolean;
}

/** The work of one thread of a team. */
export class TeamMember {
  private readonly phases: Readonly<Record<Op, readonly Phase[]>>;
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
    const onePhase = (perform: Phase['perform']) => [{ perform }];
    this.phases = {
      [Op.gradients]: onePhase((job, slice) => this.gradients(job, slice)),
      [Op.sumRows]: onePhase((job, unit) => this.sumRows(job, unit)),
      [Op.update]: onePhase((job, unit) => this.update(job, unit)),
      [Op.features]: onePhase((job, slice) => this.features(job, slice)),
      [Op.logits]: onePhase((job, slice) => this.logits(job, slice)),
      [Op.wholeBatch]: this.batchPass === undefined ? [] : this.wholeBatchPhases(this.batchPass),
      [Op.fold]: onePhase((_, unit) => this.fold(unit)),
    };
  }

  phasesOf({ op }: Job): readonly Phase[] {
    const phases = this.phases[op];
    if (phases.length === 0) throw new Error('no trained unit has batch norm');
    return phases;
  }

  /**
   * Takes items of a phase until none is left.
   * @param thread that it is of the job's threads, from 0
   * @returns what the board calls the phase
   */
  work(job: Job, { perform, finish, fromBack = false }: Phase, thread: number): number {
    const take = () => this.board.take(job, thread, fromBack);
    for (let item = take(); item !== undefined; item = take()) perform(job, item);
    return this.board.arrive(job.threads, () => finish?.(job));
  }

  /** Writes a unit's weights in the order in which the kernels read them. */
  pack({ kind, geometry, kernel, bias, panels, panelBias, transposed, outChannels }: UnitPlan): void {
    if (kind === 'depthwise') return;
    this.kernels.packFilter(geometry, kernel, panels);
    if (transposed !== 0) this.kernels.packFilterTransposed(geometry, kernel, transposed);
    floatsAt(this.memory, panelBias, outChannels).set(floatsAt(this.memory, bias, outChannels));
  }

  /** Forward through the units, the loss, and back: between two phases, moments and sums of all parts are put together. */
  private wholeBatchPhases(pass: BatchPass): Phase[] {
    const units = this.plan.trained.map((_, unit) => unit);
    const finishBackward = (unit: number) => (job: Job) => pass.finishBackward(unit, job.items, job.images);
    const phases: Phase[] = [
      ...units.map((unit): Phase => ({
        perform: (job, item) => pass.forward(unit, this.partOf(job, item)),
        finish: (job) => pass.finishForward(unit, job.items, job.images),
      })),
      { perform: (job, item) => this.loss(pass, job, item), finish: finishBackward(units.length - 1) },
      ...units.toReversed().map((unit): Phase => ({
        perform: (job, item) => pass.backward(unit, this.partOf(job, item), this.rowOf(item)),
        ...(unit === 0 ? {} : { finish: finishBackward(unit - 1) }),
      })),
    ];
    return phases.map((phase, i) => ({ ...phase, fromBack: i % 2 === 1 }));
  }

  private loss(pass: BatchPass, job: Job, item: number): void {
    const part = this.partOf(job, item);
    const labels = this.labels.slice(part.from, part.from + part.images);
    this.losses[item] = pass.loss(labels, part, this.rowOf(item), this.weightOf(job));
  }

  private features(job: Job, slice: number): void {
    const { from, images } = this.sliceOf(job, slice);
    this.loadImages(from, images);
    this.pass.features(images, job.output + from * this.plan.featureFloats * 4);
  }

  private logits(job: Job, slice: number): void {
    const { from, images } = this.sliceOf(job, slice);
    const logits = this.pass.logits(images, this.featuresOf(job, from, images));
    const count = images * this.plan.classes;
    const target = floatsAt(this.memory, job.output + from * this.plan.classes * 4, count);
    target.set(floatsAt(this.memory, logits, count));
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
    if (planned.batchNorm !== null) this.batchPass?.updateStatistics(unit, images);
    this.usedRates.set([learningRate, momentum], 2 * unit);
    this.pack(planned);
  }

  private fold(unit: number): void {
    const evaluated = this.batchPass?.fold(unit);
    if (evaluated !== undefined) this.pack(evaluated);
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

  private partOf({ images }: Job, index: number): Part {
    const partSize = this.plan.batch?.partSize ?? NaN;
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
