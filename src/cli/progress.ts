import cliProgress from 'cli-progress';
import { printable, printableLines, printableReport } from '../printable.js';
import type { EpochRecord } from '../runs/documents.js';
import { formatBytes, formatDuration, formatLoss } from '../report/text/numbers.js';
import { breakAtBlanks, pad, truncate } from '../report/text/width.js';
import type { Emit, ExperimentEvent } from '../workbench/events.js';
import { takesEscapes } from './terminal.js';
import { TimeLeft } from './time-left.js';

/** Shows an experiment's events on stderr: bars on a terminal that can draw them, plain lines elsewhere, warnings only when quiet. */
export interface ProgressView {
  readonly emit: Emit;
  /** Lines above the bars, whatever they hold. */
  readonly say: (lines: string) => void;
  /** A report above the bars, which may be coloured. */
  readonly show: (report: string) => void;
  readonly stop: () => void;
}

/** A view that shows what it is given as it is. */
type RawView = Omit<ProgressView, 'show'>;

/** Where progress is shown: the part of stderr that is used. */
export type ProgressStream = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

/**
 * Chooses the view for this stream.
 * @param now a clock in milliseconds
 */
export function openProgress(
  quiet: boolean,
  stream: ProgressStream,
  now: () => number = () => performance.now(),
): ProgressView {
  const { emit, say, stop } =
    quiet || !takesEscapes(stream) ? plainLines(quiet, stream, now) : bars(stream, now);
  return {
    emit: (event) => emit(printableEvent(event)),
    say: (lines) => say(printableLines(lines)),
    show: (report) => say(printableReport(report)),
    stop,
  };
}

/** Names of files, classes and arms come from anywhere: what an event says is one line that steers no terminal. */
function printableEvent(event: ExperimentEvent): ExperimentEvent {
  if ('text' in event) return { ...event, text: printable(event.text) };
  return 'name' in event ? { ...event, name: printable(event.name) } : event;
}

function epochLine(
  name: string,
  { epoch, trainLoss, validLoss, correct, total, seconds }: EpochRecord,
): string {
  const accuracy = ((100 * correct) / total).toFixed(1);
  return `${name}  epoch ${epoch}: train loss ${formatLoss(trainLoss)}, validation loss ${formatLoss(validLoss)}, accuracy ${accuracy}% (${correct}/${total}), ${seconds.toFixed(1)} s`;
}

/** Without a terminal something is said at least this often, in milliseconds. */
const SILENCE = 30_000;

function plainLines(quiet: boolean, stream: ProgressStream, now: () => number): RawView {
  const tally = new Tally();
  let lastSaid = now();
  const say = (line: string) => {
    lastSaid = now();
    stream.write(`${line}\n`);
  };
  const emit = (event: ExperimentEvent) => {
    if (event.type === 'warning') say(event.text);
    if (quiet || event.type === 'warning') return;
    tally.observe(event, now());
    if (event.type === 'data' || event.type === 'note') say(event.text);
    else if (event.type === 'epoch') say(epochLine(event.name, event.record));
    else if (event.type === 'sweep' && event.stop !== undefined) say(sweepLine(event));
    else if (event.type === 'run-end' && event.status !== 'completed') say(`${event.name}: ${event.status}`);
    else if (now() - lastSaid >= SILENCE) say(event.type === 'fetch' ? fetchLine(event) : tally.sentence());
  };
  return { emit, say, stop: () => undefined };
}

/** How far a download has come. */
function fetchLine({ name, doing, done, total }: ExperimentEvent & { type: 'fetch' }): string {
  return `${name}: ${bytesOf(done, total)} ${FETCHED[doing]}`;
}

function bytesOf(done: number, total: number | null): string {
  return total === null ? formatBytes(done) : `${formatBytes(done)} of ${formatBytes(total)}`;
}

const FETCHED = { download: 'downloaded', check: 'checked', unpack: 'unpacked' };

function sweepLine({ seed, step, steps, stop }: ExperimentEvent & { type: 'sweep' }): string {
  return stop === 'end'
    ? `range test, seed ${seed}: ${steps} steps`
    : `range test, seed ${seed}: ${stop ?? 'stopped'} after ${step} of ${steps} steps`;
}

/** What has been done of a whole command, and how long the rest will take. */
class Tally {
  readonly time = new TimeLeft();
  /** The runs and range tests that were planned, and those that have ended. */
  readonly planned = new Set<string>();
  readonly ended = new Set<string>();
  decoded = { done: 0, total: 0 };

  observe(event: ExperimentEvent, at: number): void {
    this.time.observe(event, at);
    if (event.type === 'decode') this.decoded = event;
    if (event.type === 'plan' && event.name !== '') this.planned.add(event.name);
    if (event.type === 'run-end') this.ended.add(event.name);
    if (event.type === 'sweep' && event.stop !== undefined) this.ended.add(`seed ${event.seed}`);
  }

  left(): string {
    const left = this.planned.size === 0 ? this.time.decoding() : this.time.all();
    return left === null ? 'time left unknown' : `${formatDuration(Math.ceil(left / 1000))} left`;
  }

  sentence(): string {
    const { done, total } = this.decoded;
    if (done < total) return `${done} of ${total} images decoded, ${this.left()}`;
    return `${this.ended.size} of ${this.planned.size} done, ${this.left()}`;
  }
}

// Bars are cut at the terminal's edge, which the library does by turning its wrapping off; what is said must not be. A line
// that wraps comes to stand over a bar, of which nothing may show behind it.
const WRAP_ON = '\u001b[?7h';
const WRAP_OFF = '\u001b[?7l';
const ERASE_REST = '\u001b[K';

/** Columns that a name takes at most, and at least. */
const NAME = { most: 24, least: 16 };
const UNKNOWN_ROWS = 24;

function bars(stream: ProgressStream, now: () => number): RawView {
  const tally = new Tally();
  const columns = stream.columns ?? 80;
  const multi = new cliProgress.MultiBar(
    {
      format: '{name} {bar} {status}',
      stream,
      hideCursor: true,
      clearOnComplete: false,
      barsize: Math.max(8, Math.min(30, columns - 60)),
      fps: 5,
      linewrap: false,
      // A bar that moves up takes the place of another: what stands there must not stay.
      forceRedraw: true,
      // Ctrl-C belongs to the program: the bar's own handler would leave the process running.
      gracefulExit: false,
    },
    cliProgress.Presets.shades_classic,
  );
  // The library draws again and again, for ever, where a bar changes after the end.
  let stopped = false;
  const shown = new Map<string, { readonly bar: cliProgress.SingleBar; readonly facts: Facts }>();
  const beganAt = new Map<string, number>();
  const label = (name: string) => pad(truncate(name, NAME.most), NAME.least);

  // More bars than rows would scroll away above the screen, where they cannot be drawn again.
  const room = () => (stream.rows ?? UNKNOWN_ROWS) - 2;
  const show = (name: string, total: number, done: number, facts: Facts = {}) => {
    if (stopped) return;
    const found = shown.get(name);
    const all = { ...found?.facts, ...facts };
    const count = all.bytes ?? `${done}/${total}`;
    const status = [count, all.unit, all.left, all.epoch, all.doing].filter(Boolean).join('  ');
    if (found !== undefined) {
      found.bar.setTotal(total);
      found.bar.update(done, { status });
    }
    if (found === undefined && shown.size >= room()) return;
    const bar = found?.bar ?? multi.create(total, done, { name: label(name), status });
    shown.set(name, { bar, facts: { ...all, done, total } });
  };
  const again = (name: string, facts: Facts) => {
    const { done = 0, total = 0 } = shown.get(name)?.facts ?? {};
    if (shown.has(name)) show(name, total, done, facts);
  };
  const remove = (name: string) => {
    const found = shown.get(name);
    if (found !== undefined && !stopped) multi.remove(found.bar);
    shown.delete(name);
  };

  // The library shows what it is given to log at its next drawing, so only while there are bars to draw.
  const say = (text: string) => {
    const lines = text.split('\n').flatMap((line) => breakAtBlanks(line, columns));
    if (!multi.isActive) {
      stream.write(`${lines.join('\n')}\n`);
      return;
    }
    const erased = lines.map((line) => `${line}${ERASE_REST}\n`);
    multi.log(`${WRAP_ON}${erased.join('')}${WRAP_OFF}`);
  };
  const stop = () => {
    stopped = true;
    if (!multi.isActive) return;
    multi.update();
    multi.stop();
  };

  const total = () => {
    if (tally.planned.size < 2) return;
    show('all', tally.planned.size, tally.ended.size, { unit: 'done', left: tally.left() });
  };
  const finished = (name: string, line: string) => {
    // Of one run alone the bar stays as it ended.
    if (tally.planned.size < 2) return;
    remove(name);
    say(line);
  };
  const emit = (event: ExperimentEvent) => {
    tally.observe(event, now());
    switch (event.type) {
      case 'decode':
        // Beside a run, the time left is the run's.
        show('images', event.total, event.done, {
          unit: 'decoded',
          left: tally.planned.size === 0 ? tally.left() : '',
        });
        if (event.done === event.total) remove('images');
        break;
      case 'fetch': {
        const { name, doing, done, total: size } = event;
        show(name, size ?? done, done, { bytes: bytesOf(done, size), unit: FETCHED[doing] });
        if (done === size) remove(name);
        break;
      }
      case 'note':
      case 'warning':
      case 'data':
        say(event.text);
        break;
      case 'plan':
      case 'range-test':
      case 'recorded':
        break;
      case 'run':
        beganAt.set(event.name, now());
        total();
        show(event.name, event.totalSteps, event.fromStep, { unit: 'steps' });
        break;
      case 'work': {
        total();
        const left = tally.planned.size < 2 ? tally.left() : undefined;
        if (event.kind === 'read' || event.images === 0) break;
        if (event.kind === 'train') again(event.name, { left, doing: '', images: 0 });
        else {
          const images = (shown.get(event.name)?.facts.images ?? 0) + event.images;
          again(event.name, { left, images, doing: `${DOING[event.kind]} ${images} images` });
        }
        break;
      }
      case 'step': {
        const { step } = event.record;
        show(event.name, shown.get(event.name)?.facts.total ?? step + 1, step + 1);
        break;
      }
      case 'epoch': {
        const { epoch, correct, total: judged } = event.record;
        const said = `epoch ${epoch}: ${((100 * correct) / judged).toFixed(1)}%`;
        again(event.name, { epoch: said, doing: '', images: 0 });
        break;
      }
      case 'run-end': {
        const { epoch = 'no epoch finished' } = shown.get(event.name)?.facts ?? {};
        const seconds = (now() - (beganAt.get(event.name) ?? now())) / 1000;
        const ended = event.status === 'completed' ? '' : `  ${event.status}`;
        again(event.name, { left: '', doing: event.status === 'completed' ? '' : event.status });
        finished(event.name, `${label(event.name)} ${epoch}  ${formatDuration(seconds)}${ended}`);
        total();
        break;
      }
      case 'sweep': {
        const name = `seed ${event.seed}`;
        total();
        show(name, event.steps, event.step, { unit: 'steps' });
        if (event.stop !== undefined) finished(name, sweepLine(event));
        break;
      }
    }
  };
  return { emit, say, stop };
}

/** What a bar shows beside its length. */
interface Facts {
  /** Instead of the plain numbers, which are bytes. */
  readonly bytes?: string;
  readonly done?: number;
  readonly total?: number;
  readonly unit?: string | undefined;
  readonly left?: string | undefined;
  readonly epoch?: string;
  /** What goes on between two steps, and for how many images so far. */
  readonly doing?: string;
  readonly images?: number;
}

const DOING = { frozen: 'frozen part:', evaluate: 'evaluated' };
