import { floatsAt, Heap } from '../../backend/wasm/heap.js';
import { compileKernels, instantiateKernels } from '../../backend/wasm/kernels-module.js';
import type { Rates } from '../../schedule/schedule.js';
import type { Engine, StepOutcome } from '../engine.js';
import { joined } from '../join.js';
import { inputLength, sliceInput, type FeatureShape, type NetworkInput } from '../network-input.js';
import type { ReplicaSetup, ReplicaState } from '../replica-setup.js';
import { featureShape } from '../shapes.js';
import { slicesOf } from '../slices.js';
import { InputArea } from './input-area.js';
import { JobBoard, Op, type Job } from './job-board.js';
import { layOutNetwork, type Layout } from './lay-out-network.js';
import type { NetworkPlan } from './network-plan.js';
import { TeamMember } from './team-member.js';
import { Team } from './team.js';

/**
 * The engine of the processor: one network in memory that threads share. A batch's slices are dealt out, their gradients
 * are summed in the order of the slices, and every unit's weights are updated once; so the bits are the same for any number of threads.
 */
export class WasmEngine implements Engine {
  readonly sliceSize: number;
  readonly featureShape: FeatureShape;
  private readonly inputs: InputArea;
  private readonly slices: number;
  /** Address and size in floats of what the frozen part and the head make of the images of one job. */
  private output: { readonly address: number; readonly floats: number } | undefined;

  private constructor(
    setup: ReplicaSetup,
    private readonly heap: Heap,
    private readonly plan: NetworkPlan,
    private readonly board: JobBoard,
    private readonly member: TeamMember,
    private readonly team: Team,
  ) {
    this.sliceSize = plan.sliceSize;
    this.featureShape = featureShape(setup.backbone, setup.firstTrained, setup.imageSize);
    this.slices = plan.capacity / plan.sliceSize;
    this.inputs = new InputArea(heap, plan);
    this.packAll();
  }

  /** Throws RunError where the network does not fit on the heap. */
  static async open(setup: ReplicaSetup, layout: Layout): Promise<WasmEngine> {
    const heap = new Heap();
    const module = await compileKernels();
    const kernels = await instantiateKernels(module, heap.memory);
    const plan = layOutNetwork(heap, kernels, setup, layout);
    const board = new JobBoard(heap.memory, plan.board);
    const member = new TeamMember(heap.memory, kernels, plan, board, 0);
    const team = new Team(heap.memory, module, plan, board, member);
    return new WasmEngine(setup, heap, plan, board, member, team);
  }

  get workers(): number {
    return this.team.size;
  }

  features(input: NetworkInput): Promise<Float32Array> {
    return this.inParts(input, Op.features, this.plan.featureFloats);
  }

  logits(input: NetworkInput): Promise<Float32Array> {
    return this.inParts(input, Op.logits, this.plan.classes);
  }

  async step(input: NetworkInput, labels: Int32Array, rates: Rates): Promise<StepOutcome> {
    const batchSize = labels.length;
    const { rowCount, trained, sliceSize, losses, capacity } = this.plan;
    if (batchSize === 0 || batchSize > capacity) {
      throw new Error(`a batch of ${batchSize} images where ${capacity} are planned for`);
    }
    const job = { ...this.inputs.put(input, labels), batchSize, output: 0 };
    const units = { ...job, items: trained.length + 1, firstItem: 0 };
    const slices = Math.ceil(batchSize / sliceSize);
    let rows = 0;
    for (let slice = 0; slice < slices;) {
      // The first row holds the sum of all earlier slices.
      if (slice > 0) {
        await this.team.run({ ...units, op: Op.sumRows, row: rows });
        rows = 1;
      }
      const items = Math.min(rowCount - rows, slices - slice);
      await this.team.run({ ...job, op: Op.gradients, items, firstItem: slice, row: rows });
      slice += items;
      rows += items;
    }
    this.board.rates = rates;
    await this.team.run({ ...units, op: Op.update, row: rows });
    const lossSum = new Float64Array(this.heap.memory.buffer, losses, slices).reduce(
      (sum, loss) => sum + loss,
      0,
    );
    return { loss: lossSum / batchSize, rates: this.board.rates };
  }

  async snapshot(): Promise<ReplicaState> {
    const { weights, velocities, parameters } = this.plan;
    const copies = (from: number) =>
      new Map(
        parameters.map(({ name, offset, length }) => [
          name,
          Float32Array.from(floatsAt(this.heap.memory, from + offset * 4, length)),
        ]),
      );
    return { weights: copies(weights), velocities: copies(velocities) };
  }

  async restore(state: ReplicaState): Promise<void> {
    const { weights, velocities, parameters } = this.plan;
    for (const { name, offset, length } of parameters) {
      for (const [address, values] of [
        [weights, state.weights.get(name)],
        [velocities, state.velocities.get(name)],
      ] as const) {
        if (values?.length !== length) throw new Error(`the saved state does not fit the network at ${name}`);
        floatsAt(this.heap.memory, address + offset * 4, length).set(values);
      }
    }
    this.packAll();
  }

  async dispose(): Promise<void> {
    await this.team.close();
    this.heap.close();
  }

  private packAll(): void {
    const { frozen, trained, head } = this.plan;
    for (const unit of [...frozen, ...trained, head]) this.member.pack(unit);
  }

  /** What an operation makes of any number of images, as many at a time as the plan has room for. */
  private async inParts(input: NetworkInput, op: Job['op'], floats: number): Promise<Float32Array> {
    const parts: Float32Array[] = [];
    for (const { from, to } of slicesOf(inputLength(input), this.plan.capacity)) {
      const job = this.inputs.put(sliceInput(input, from, to), undefined);
      const output = this.outputOf(this.plan.capacity * floats);
      const items = Math.ceil((to - from) / this.sliceSize);
      await this.team.run({ ...job, op, items, firstItem: 0, output, row: 0, batchSize: 0 });
      parts.push(Float32Array.from(floatsAt(this.heap.memory, output, (to - from) * floats)));
    }
    return joined(parts);
  }

  private outputOf(floats: number): number {
    if (this.output === undefined || this.output.floats < floats) {
      this.output = { address: this.heap.allocateFloats(floats), floats };
    }
    return this.output.address;
  }
}
