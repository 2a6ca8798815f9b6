/** What a team can do. A job consists of items, and any thread may take the next one. */
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
  /** One unit's outputs for a part of a batch, and their moments. */
  forwardUnit: 6,
  /** The loss of a part of a batch, and the gradients of the head and of the last unit. */
  lossOfPart: 7,
  /** One unit's gradients for a part of a batch. */
  backwardUnit: 8,
  /** One unit's running batch norm is folded into the weights that evaluations use. */
  fold: 9,
} as const;

export type Op = (typeof Op)[keyof typeof Op];

/** Where the images of a job come from. */
export const InputKind = { images: 0, features: 1 } as const;

/** A job, as it lies on the board. */
export interface Job {
  readonly op: Op;
  /** Slices or units. */
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
  /** The unit of which all items are, where they are parts of a batch. */
  readonly unit: number;
}

/** A job to do; fields that it does not need may be left out and are 0. */
export type JobOrder = Pick<Job, 'op' | 'items' | 'kind'> & Partial<Job>;

/** The job's own integers come first. */
const SIGNAL = 11;
const JOINED = SIGNAL + 1;
const NEXT = JOINED + 1;
const FINISHED = NEXT + 1;
const RATES = 16;

export const BOARD_BYTES = (RATES + 4) * 4;

/** The signal is this times the number of the job, plus the further threads that take part in it. */
const THREADS = 4096;

/** How often a thread looks for news before it sleeps: waking a thread takes longer than many jobs. */
const SPINS = 20_000;

/**
 * The place in shared memory where a team's threads find the current job, take its items and report the end.
 *
 * Which thread takes which item is left to chance and changes no result: every item writes to a place of its own.
 */
export class JobBoard {
  private readonly integers: Int32Array;
  private readonly doubles: Float64Array;

  constructor({ buffer }: WebAssembly.Memory, address: number) {
    this.integers = new Int32Array(buffer, address, RATES);
    this.doubles = new Float64Array(buffer, address + RATES * 4, 2);
  }

  /** Of the next update. */
  get rates(): { readonly learningRate: number; readonly momentum: number } {
    return { learningRate: this.doubles[0] ?? NaN, momentum: this.doubles[1] ?? NaN };
  }

  set rates({ learningRate, momentum }) {
    this.doubles[0] = learningRate;
    this.doubles[1] = momentum;
  }

  /** Writes a job that the first thread does alone. */
  put(job: JobOrder): void {
    const { op, items, kind, firstItem = 0, images = 0, input = 0, output = 0 } = job;
    const { firstRow = 0, rows = 0, batchSize = 0, unit = 0 } = job;
    this.integers.set([op, items, kind, firstItem, images, input, output, firstRow, rows, batchSize, unit]);
    Atomics.store(this.integers, NEXT, 0);
  }

  /** Writes a job and wakes the further threads that have joined by now. Answers how many these are. */
  post(job: JobOrder): number {
    this.put(job);
    Atomics.store(this.integers, FINISHED, 0);
    const threads = Atomics.load(this.integers, JOINED);
    const count = Math.floor(Atomics.load(this.integers, SIGNAL) / THREADS) + 1;
    Atomics.store(this.integers, SIGNAL, (count % (2 ** 31 / THREADS)) * THREADS + threads);
    Atomics.notify(this.integers, SIGNAL);
    return threads;
  }

  /** A further thread joins: its number, from 0, and the signal after which its jobs come. */
  join(): { readonly number: number; readonly signal: number } {
    const signal = Atomics.load(this.integers, SIGNAL);
    return { signal, number: Atomics.add(this.integers, JOINED, 1) };
  }

  /**
   * Waits until the signal differs from the one seen, and answers the new one. Being woken is no proof of that: a thread that saw a
   * signal, did its job and sleeps again is woken by that same signal where the first thread was held up before it could wake anybody.
   */
  awaitSignal(seen: number): number {
    const signal = () => Atomics.load(this.integers, SIGNAL);
    for (let i = 0; i < SPINS && signal() === seen; i++);
    while (signal() === seen) Atomics.wait(this.integers, SIGNAL, seen);
    return signal();
  }

  /** The current job; it stays until all who take part have finished. */
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
      unit: field(10),
    };
  }

  /** The next item that nobody has taken, or undefined. */
  take({ items, firstItem }: Job): number | undefined {
    const item = Atomics.add(this.integers, NEXT, 1);
    return item < items ? firstItem + item : undefined;
  }

  /** A further thread has nothing left to do. */
  finish(): void {
    Atomics.add(this.integers, FINISHED, 1);
    Atomics.notify(this.integers, FINISHED);
  }

  /** Waits until so many threads have finished, at most so long. Answers whether they have. */
  awaitFinish(threads: number, milliseconds: number): boolean {
    const finished = () => Atomics.load(this.integers, FINISHED);
    for (let i = 0; i < SPINS && finished() < threads; i++);
    for (let seen = finished(); seen < threads; seen = finished()) {
      if (Atomics.wait(this.integers, FINISHED, seen, milliseconds) === 'timed-out') return false;
    }
    return true;
  }
}

/** Whether the thread of that number takes part in a signal's job. */
export function takesPart(number: number, signal: number): boolean {
  return number < signal % THREADS;
}
