/** What a team can do. A job has phases, and a phase has items, of which any thread may take the next one. */
export const Op = {
  /** Gradients of a slice into its row. */
  gradients: 1,
  /** The first row becomes the sum of all rows, one unit's part of them. */
  sumRows: 2,
  /** One unit's weights are updated and packed. */
  update: 3,
  /** Outputs of the frozen part for a slice. */
  features: 4,
  /** Logits of a slice. */
  logits: 5,
  /** Gradients of a whole batch, which moves through one unit after another; an item is a part of it. */
  wholeBatch: 6,
  /** One unit's running batch norm is folded into the weights that evaluations use. */
  fold: 7,
} as const;

export type Op = (typeof Op)[keyof typeof Op];

/** Where the images of a job come from. */
export const InputKind = { images: 0, features: 1 } as const;

/** A job, as it lies on the board. */
export interface Job {
  readonly op: Op;
  /** Of each phase: slices, parts or units. */
  readonly items: number;
  readonly firstItem: number;
  /** Images of the job. */
  readonly images: number;
  readonly kind: (typeof InputKind)[keyof typeof InputKind];
  /** Address of the features, where those are given. */
  readonly input: number;
  /** Address of the features or logits to write. */
  readonly output: number;
  /** The row for the gradients of the first slice. */
  readonly firstRow: number;
  /** Rows to sum. */
  readonly rows: number;
  /** Images of the whole batch, whose mean loss is differentiated. */
  readonly batchSize: number;
  /** How many threads take part. */
  readonly threads: number;
}

/** A job to do; fields that it does not need may be left out and are 0. */
export type JobOrder = Pick<Job, 'op' | 'items' | 'kind'> & Partial<Omit<Job, 'threads'>>;

/** A cache line, in integers: what threads look at while they wait lies apart from what the others write meanwhile. */
const LINE = 16;
/** The job's own integers come first. */
const JOB_INTEGERS = 11;
const SIGNAL = LINE;
const JOINED = SIGNAL + 1;
const PHASE = 2 * LINE;
const ARRIVED = 3 * LINE;
const SLEEPING = ARRIVED + 1;
const RATES = 4 * LINE;
/** A line for each thread: how many items of its share are taken. */
const TAKEN = 5 * LINE;

/** The bytes of a board for so many threads at most. */
export function boardBytes(threads: number): number {
  return (TAKEN + threads * LINE) * Int32Array.BYTES_PER_ELEMENT;
}

/** The signal is this times the number of the job, plus the further threads that take part in it. */
const THREADS = 4096;

/**
 * How often a thread looks for news before it sleeps, at most and at least: waking it takes longer than many phases, but where there
 * are more threads than free cores, looking keeps the one that it waits for from working. Twice as often after it has paid, half as
 * often after it has not.
 */
const MOST_LOOKS = 40_000;
const LEAST_LOOKS = 1000;

/**
 * The place in shared memory where a team's threads find the current job, take its items and wait for each other after every phase.
 *
 * Each thread begins with a share of its own and then helps the others. Who does an item changes no result: every item writes to a
 * place of its own.
 */
export class JobBoard {
  private readonly integers: Int32Array;
  private readonly doubles: Float64Array;
  private looks = MOST_LOOKS;

  /** @param threads that may take part, at most */
  constructor({ buffer }: WebAssembly.Memory, address: number, threads: number) {
    this.integers = new Int32Array(buffer, address, boardBytes(threads) / Int32Array.BYTES_PER_ELEMENT);
    this.doubles = new Float64Array(buffer, address + RATES * Int32Array.BYTES_PER_ELEMENT, 2);
  }

  /** Of the next update. */
  get rates(): { readonly learningRate: number; readonly momentum: number } {
    return { learningRate: this.doubles[0] ?? NaN, momentum: this.doubles[1] ?? NaN };
  }

  set rates({ learningRate, momentum }) {
    this.doubles[0] = learningRate;
    this.doubles[1] = momentum;
  }

  /** Writes a job that so many threads do, by default the first one alone. */
  put(job: JobOrder, threads = 1): void {
    const { op, items, kind, firstItem = 0, images = 0, input = 0, output = 0 } = job;
    const { firstRow = 0, rows = 0, batchSize = 0 } = job;
    this.integers.set([
      op,
      items,
      kind,
      firstItem,
      images,
      input,
      output,
      firstRow,
      rows,
      batchSize,
      threads,
    ]);
  }

  /** Writes a job and wakes the further threads that have joined by now. */
  post(job: JobOrder): void {
    const threads = Atomics.load(this.integers, JOINED);
    this.put(job, threads + 1);
    const count = Math.floor(Atomics.load(this.integers, SIGNAL) / THREADS) + 1;
    Atomics.store(this.integers, SIGNAL, (count % (2 ** 31 / THREADS)) * THREADS + threads);
    Atomics.notify(this.integers, SIGNAL);
  }

  /** A further thread joins: its number, from 1, and the signal after which its jobs come. */
  join(): { readonly number: number; readonly signal: number } {
    const signal = Atomics.load(this.integers, SIGNAL);
    return { signal, number: Atomics.add(this.integers, JOINED, 1) + 1 };
  }

  /**
   * Waits until the signal differs from the one seen, and answers the new one. Being woken is no proof of that: a thread that saw a
   * signal, did its job and sleeps again is woken by that same signal where the first thread was held up before it could wake anybody.
   */
  awaitSignal(seen: number): number {
    const signal = () => Atomics.load(this.integers, SIGNAL);
    this.lookWhile(() => signal() === seen);
    while (signal() === seen) Atomics.wait(this.integers, SIGNAL, seen);
    return signal();
  }

  /** The current job; it stays until all who take part have done its last phase. */
  read(): Job {
    // Addresses have 32 bits, and no sign.
    const field = (i: number) => (this.integers[i] ?? 0) >>> 0;
    return {
      op: field(0) as Op,
      items: field(1),
      kind: field(2) as Job['kind'],
      firstItem: field(3),
      images: field(4),
      input: field(5),
      output: field(6),
      firstRow: field(7),
      rows: field(8),
      batchSize: field(9),
      threads: field(JOB_INTEGERS - 1),
    };
  }

  /**
   * The next item of the phase that nobody has taken, or undefined. Each thread takes its own share first, the same in every phase: what
   * it wrote of an item may still lie in its cache.
   * @param thread from 0
   * @param fromBack whether the items of a share are taken in reverse
   */
  take({ items, firstItem, threads }: Job, thread: number, fromBack: boolean): number | undefined {
    for (let i = 0; i < threads; i++) {
      const share = (thread + i) % threads;
      const begin = Math.ceil((share * items) / threads);
      const end = Math.ceil(((share + 1) * items) / threads);
      const taken = Atomics.add(this.integers, TAKEN + share * LINE, 1);
      if (taken < end - begin) return firstItem + (fromBack ? end - 1 - taken : begin + taken);
    }
    return undefined;
  }

  /**
   * A thread has nothing left to do in this phase. The last one to say so does what remains before the next phase can begin.
   * @returns the phase that it was
   */
  arrive(threads: number, finish: () => void): number {
    const phase = Atomics.load(this.integers, PHASE);
    if (Atomics.add(this.integers, ARRIVED, 1) + 1 < threads) return phase;
    finish();
    this.beginPhase(threads);
    Atomics.add(this.integers, PHASE, 1);
    if (Atomics.load(this.integers, SLEEPING) > 0) Atomics.notify(this.integers, PHASE);
    return phase;
  }

  /** Waits until all threads have arrived at the end of that phase, each time that it sleeps at most so long. Answers whether they have. */
  awaitPhaseAfter(phase: number, milliseconds = Infinity): boolean {
    const current = () => Atomics.load(this.integers, PHASE);
    this.lookWhile(() => current() === phase);
    while (current() === phase) {
      Atomics.add(this.integers, SLEEPING, 1);
      const woken = Atomics.wait(this.integers, PHASE, phase, milliseconds);
      Atomics.sub(this.integers, SLEEPING, 1);
      if (woken === 'timed-out') return current() !== phase;
    }
    return true;
  }

  private lookWhile(nothingNew: () => boolean): void {
    if (!nothingNew()) return;
    let left = this.looks;
    while (left > 0 && nothingNew()) left--;
    this.looks = left > 0 ? Math.min(MOST_LOOKS, 2 * this.looks) : Math.max(LEAST_LOOKS, this.looks / 2);
  }

  private beginPhase(threads: number): void {
    for (let share = 0; share < threads; share++) Atomics.store(this.integers, TAKEN + share * LINE, 0);
    Atomics.store(this.integers, ARRIVED, 0);
  }
}

/** Whether the further thread of that number takes part in a signal's job. */
export function takesPart(number: number, signal: number): boolean {
  return number <= signal % THREADS;
}
