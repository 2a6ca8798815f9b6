import type { ExperimentEvent, Work, WorkKind } from '../workbench/events.js';

type Planned = { -readonly [Kind in keyof Work]-?: number };

/** Beside work on images: what a run takes before its first step, and after its last evaluation. */
type Measured = WorkKind | 'decode' | 'start' | 'end';

/** What a kind of work has cost so far; the oldest counts least. */
interface Cost {
  milliseconds: number;
  images: number;
}

/** Each further piece of work takes this share off the weight of what was measured before it. */
const FORGET = 0.003;
/** An evaluation is a forward pass, about this share of a training step; taken until one has been measured. */
const FORWARD_SHARE = 1 / 3;

/**
 * Estimates how long a command still takes from the events it tells: the work that is left, each kind at the cost per image that
 * was measured in this very command, divided among as many runs as go on side by side.
 */
export class TimeLeft {
  /** Work that is left, by name; what several runs share lies under no name. */
  private readonly left = new Map<string, Planned>();
  private readonly begun = new Set<string>();
  private readonly lastEvent = new Map<string, number>();
  private readonly costs: Record<Measured, Cost> = {
    decode: { milliseconds: 0, images: 0 },
    read: { milliseconds: 0, images: 0 },
    frozen: { milliseconds: 0, images: 0 },
    train: { milliseconds: 0, images: 0 },
    evaluate: { milliseconds: 0, images: 0 },
    start: { milliseconds: 0, images: 0 },
    end: { milliseconds: 0, images: 0 },
  };
  private undecoded = 0;
  /** When the newest image was decoded. */
  private decodedAt = -Infinity;
  private sideBySide = 1;
  /** When the runs ended whose place no other run has taken yet, the earliest first. */
  private readonly free: number[] = [];
  /** The share of its rates that the last range test came through; most diverge before the highest. */
  private sweepShare = 0.8;

  /** @param at when the event came, in milliseconds */
  observe(event: ExperimentEvent, at: number): void {
    switch (event.type) {
      case 'decode': {
        const images = Math.max(0, this.undecoded - (event.total - event.done));
        this.undecoded = event.total - event.done;
        this.decodedAt = at;
        this.measure('decode', 'decode', images, at);
        break;
      }
      case 'plan':
        this.left.set(
          event.name,
          scaled({ frozen: 0, train: 0, evaluate: 0, ...event.work }, event.sweep ? this.sweepShare : 1),
        );
        this.begun.delete(event.name);
        break;
      case 'run': {
        const planned = this.left.get(event.name);
        const share = 1 - event.fromStep / event.totalSteps;
        if (planned) this.left.set(event.name, scaled(planned, share));
        // Since the run before it ended.
        this.lastEvent.set(event.name, this.free.shift() ?? at);
        this.measure(event.name, 'start', 1, at);
        this.begin(event.name, at);
        break;
      }
      case 'work': {
        const { name, kind, images } = event;
        if (!this.begun.has(name)) this.begin(name, at);
        const left = this.left.get(kind === 'frozen' ? '' : name);
        if (left && kind !== 'read') left[kind] = Math.max(0, left[kind] - images);
        this.measure(name, kind, images, at);
        break;
      }
      case 'run-end':
        this.measure(event.name, 'end', 1, at);
        this.free.push(at);
        this.end(event.name);
        break;
      case 'sweep':
        if (event.stop === undefined) break;
        this.end(`seed ${event.seed}`);
        // Where one sweep ends before its last rate, the others will too.
        for (const [name, work] of this.left) {
          this.left.set(name, scaled(work, event.step / event.steps / this.sweepShare));
        }
        this.sweepShare = event.step / event.steps;
        break;
      default:
        break;
    }
  }

  /** Milliseconds until all images are decoded. */
  decoding(): number | null {
    return this.cost('decode', this.undecoded);
  }

  /** Milliseconds until all that was planned is done; null while nothing has been measured. */
  all(): number | null {
    const loads: number[] = [];
    const waiting: number[] = [];
    for (const [name, work] of this.left) {
      const cost = this.costOf(work);
      if (cost === null) return null;
      if (name === '' || cost === 0) continue;
      const ending = cost + (this.cost('end', 1) ?? 0);
      if (this.begun.has(name)) loads.push(ending);
      else waiting.push(ending + (this.cost('start', 1) ?? 0));
    }
    while (loads.length < this.sideBySide) loads.push(0);
    for (const cost of waiting) {
      const least = loads.indexOf(Math.min(...loads));
      loads[least] = (loads[least] ?? 0) + cost;
    }
    const shared = this.costOf(this.left.get('') ?? {}) ?? 0;
    // Images are decoded while the first of them are trained on.
    const decoding = this.undecoded === 0 ? 0 : (this.decoding() ?? 0);
    const working = shared / this.sideBySide + Math.max(...loads);
    return Math.max(decoding, working) + Math.min(decoding, working) / 2;
  }

  private begin(name: string, at: number): void {
    this.begun.add(name);
    this.lastEvent.set(name, at);
    const going = [...this.begun].filter((other) => this.isLeft(other)).length;
    this.sideBySide = Math.max(this.sideBySide, going);
  }

  private end(name: string): void {
    this.left.set(name, { frozen: 0, train: 0, evaluate: 0 });
  }

  private isLeft(name: string): boolean {
    const { train = 0, evaluate = 0 } = this.left.get(name) ?? {};
    return train + evaluate > 0;
  }

  /** The time since the last event of that name went into these images. */
  private measure(name: string, kind: Measured, images: number, at: number): void {
    const since = this.lastEvent.get(name);
    this.lastEvent.set(name, at);
    if (since === undefined || images === 0) return;
    // Who reads while images are still being decoded waits for them, and will not wait later.
    if (kind === 'read' && (this.undecoded > 0 || since < this.decodedAt)) return;
    const cost = this.costs[kind];
    cost.milliseconds = cost.milliseconds * (1 - FORGET) + (at - since);
    cost.images = cost.images * (1 - FORGET) + images;
  }

  private costOf({ frozen = 0, train = 0, evaluate = 0 }: Work): number | null {
    const training = this.cost('train', train);
    const evaluating = this.cost('evaluate', evaluate) ?? this.cost('train', evaluate * FORWARD_SHARE);
    if (training === null || evaluating === null) return null;
    const reading = this.cost('read', train + evaluate) ?? 0;
    return reading + training + evaluating + (this.cost('frozen', frozen) ?? 0);
  }

  private cost(kind: Measured, images: number): number | null {
    const { milliseconds, images: measured } = this.costs[kind];
    if (images === 0) return 0;
    return measured === 0 ? null : (milliseconds / measured) * images;
  }
}

function scaled(work: Planned, share: number): Planned {
  return { frozen: work.frozen * share, train: work.train * share, evaluate: work.evaluate * share };
}
