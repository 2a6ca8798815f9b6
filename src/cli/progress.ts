import cliProgress from 'cli-progress';
import type { EpochRecord } from '../runs/documents.js';
import type { Emit, ExperimentEvent } from '../workbench/events.js';

/** Shows an experiment's events on stderr: bars on a terminal, plain lines elsewhere, notes only when quiet. */
export interface ProgressView {
  readonly emit: Emit;
  /** A line above the bars. */
  readonly say: (line: string) => void;
  readonly stop: () => void;
}

/** Where progress is shown: the part of stderr that is used. */
export type ProgressStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

/** Chooses the view for this stream. */
export function openProgress(quiet: boolean, stream: ProgressStream): ProgressView {
  return quiet || stream.isTTY !== true ? plainLines(quiet, stream) : bars(stream);
}

function epochLine(
  name: string,
  { epoch, trainLoss, validLoss, correct, total, seconds }: EpochRecord,
): string {
  const accuracy = ((100 * correct) / total).toFixed(1);
  return `${name}  epoch ${epoch}: train loss ${trainLoss.toFixed(3)}, validation loss ${validLoss.toFixed(3)}, accuracy ${accuracy}% (${correct}/${total}), ${seconds.toFixed(1)} s`;
}

function plainLines(quiet: boolean, stream: ProgressStream): ProgressView {
  const say = (line: string) => stream.write(`${line}\n`);
  const emit = (event: ExperimentEvent) => {
    if (event.type === 'note') say(event.text);
    else if (quiet) return;
    else if (event.type === 'data') say(event.text);
    else if (event.type === 'epoch') say(epochLine(event.name, event.record));
    else if (event.type === 'sweep' && event.step === event.steps)
      say(`seed ${event.seed}: ${event.steps} steps`);
    else if (event.type === 'run-end' && event.status !== 'completed') say(`${event.name}: ${event.status}`);
  };
  return { emit, say, stop: () => undefined };
}

// Bars are cut at the terminal's edge, which the library does by turning its wrapping off; what is said must not be. A line
// that wraps comes to stand over a bar, of which nothing may show behind it.
const WRAP_ON = '\u001b[?7h';
const WRAP_OFF = '\u001b[?7l';
const ERASE_REST = '\u001b[K';

function bars(stream: ProgressStream): ProgressView {
  const multi = new cliProgress.MultiBar(
    {
      format: '{name} {bar} {value}/{total} {unit}  {eta_formatted} left  {status}',
      stream,
      hideCursor: true,
      clearOnComplete: false,
      barsize: Math.max(8, Math.min(30, (stream.columns ?? 80) - 60)),
      fps: 5,
      linewrap: false,
      formatTime: timeLeft,
      // Ctrl-C belongs to the program: the bar's own handler would leave the process running.
      gracefulExit: false,
    },
    cliProgress.Presets.shades_classic,
  );
  const byName = new Map<string, cliProgress.SingleBar>();
  const bar = (name: string, total: number, unit: string): cliProgress.SingleBar => {
    let found = byName.get(name);
    if (found === undefined) {
      found = multi.create(total, 0, { name: name.padEnd(16), unit, status: '' });
      byName.set(name, found);
    }
    return found;
  };
  // The library shows what it is given to log at its next drawing, so only while there are bars to draw.
  const say = (lines: string) => {
    if (!multi.isActive) {
      stream.write(`${lines}\n`);
      return;
    }
    const erased = lines.split('\n').map((line) => `${line}${ERASE_REST}\n`);
    multi.log(`${WRAP_ON}${erased.join('')}${WRAP_OFF}`);
  };
  const stop = () => {
    if (!multi.isActive) return;
    multi.update();
    multi.stop();
  };
  const emit = (event: ExperimentEvent) => {
    switch (event.type) {
      case 'decode':
        bar('images', event.total, 'images').update(event.done);
        break;
      case 'note':
      case 'data':
        say(event.text);
        break;
      case 'run':
        bar(event.name, event.totalSteps, 'steps').update(event.fromStep, { status: '' });
        break;
      case 'step':
        bar(event.name, 0, 'steps').update(event.record.step + 1);
        break;
      case 'epoch': {
        const { epoch, correct, total } = event.record;
        bar(event.name, 0, 'steps').update({
          status: `epoch ${epoch}: ${((100 * correct) / total).toFixed(1)}%`,
        });
        break;
      }
      case 'run-end':
        if (event.status !== 'completed') bar(event.name, 0, 'steps').update({ status: event.status });
        break;
      case 'sweep':
        bar(`seed ${event.seed}`, event.steps, 'steps').update(event.step);
        break;
    }
  };
  return { emit, say, stop };
}

/** The time that is left, in seconds; the bar's library says 'NULL' or 'INF' while it cannot know. */
function timeLeft(seconds: number | string): string {
  const known = Number(seconds);
  if (!Number.isFinite(known)) return '?';
  const whole = Math.round(known);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} m ${String(whole % 60).padStart(2, '0')} s`;
}
