import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { TimeLeft } from '../../../src/cli/time-left.js';
import type { ExperimentEvent } from '../../../src/workbench/events.js';

/** Events of real commands, each with the milliseconds since its start; the last one is the command's end. */
type Stream = readonly (readonly [number, ExperimentEvent | { readonly type: 'end' }])[];

const packed = readFileSync(new URL('../../fixtures/event-streams.json.gz', import.meta.url));
const streams: Record<string, Stream> = JSON.parse(gunzipSync(packed).toString('utf8'));

/** Estimated over true time left, at every twentieth of the command's time where work had been planned by then. */
function ratios(stream: Stream): { readonly share: number; readonly ratio: number | null }[] {
  const total = stream.at(-1)![0];
  const time = new TimeLeft();
  const found: { share: number; ratio: number | null }[] = [];
  let planned = false;
  for (const [at, event] of stream) {
    while (at >= ((found.length + 1) * total) / 20 && found.length < 19) {
      const now = ((found.length + 1) * total) / 20;
      const left = planned ? time.all() : null;
      found.push({ share: now / total, ratio: left === null ? null : left / (total - now) });
    }
    if (event.type === 'end') break;
    if (event.type === 'plan') planned = true;
    time.observe(event, at);
  }
  return found;
}

describe.each(Object.entries(streams))('%s, as recorded on two busy cores', (name, stream) => {
  it('after a tenth of the work the estimate is within a factor of 1.5 of the truth, until the last tenth', () => {
    const judged = ratios(stream).filter(({ share }) => share > 0.1 && share < 0.9);
    const known = judged.flatMap(({ ratio }) => ratio ?? []);
    // `compare` knows its work once all images are decoded: a sixth of this one's time.
    expect(known.length).toBeGreaterThanOrEqual(name === 'compare, photographs' ? 14 : 15);
    expect(Math.max(...known)).toBeLessThan(1.5);
    expect(Math.min(...known)).toBeGreaterThan(1 / 1.5);
  });
});

const train = (name: string) => ({ type: 'plan', name, work: { train: 100 } }) as const;
const run = (name: string, fromStep = 0) =>
  ({ type: 'run', name, fromStep, totalSteps: 10, epochs: 1 }) as const;
const work = (name: string, images: number) => ({ type: 'work', name, kind: 'train', images }) as const;

describe('the time that is left', () => {
  it('is unknown before anything has been measured', () => {
    const time = new TimeLeft();
    time.observe(train('a'), 0);
    time.observe(run('a'), 0);
    expect(time.all()).toBeNull();
  });

  it('is what is left at the measured cost, of the part that an interrupted run still has', () => {
    const time = new TimeLeft();
    time.observe(train('a'), 0);
    time.observe(run('a', 5), 0);
    time.observe(work('a', 10), 200);
    // 40 of 50 images at 20 ms.
    expect(time.all()).toBeCloseTo(800);
  });

  it('counts runs that wait on the place that is free first', () => {
    const time = new TimeLeft();
    for (const name of ['a', 'b', 'c']) time.observe(train(name), 0);
    time.observe(run('a'), 0);
    time.observe(run('b'), 0);
    time.observe(work('a', 50), 500);
    time.observe(work('b', 50), 500);
    // 50 images of a or b, then 100 of c, at 10 ms.
    expect(time.all()).toBeCloseTo(1500);
  });

  it('does not wait for what a run that broke off had left', () => {
    const time = new TimeLeft();
    time.observe(train('a'), 0);
    time.observe(run('a'), 0);
    time.observe(work('a', 10), 100);
    time.observe({ type: 'run-end', name: 'a', status: 'failed' }, 100);
    expect(time.all()).toBe(0);
  });

  it('expects the other seeds of a range test to end where the first one did', () => {
    const time = new TimeLeft();
    for (const name of ['seed 0', 'seed 1', 'seed 2']) time.observe({ ...train(name), sweep: true }, 0);
    time.observe(work('seed 0', 0), 0);
    time.observe(work('seed 0', 50), 500);
    time.observe({ type: 'sweep', seed: 0, step: 5, steps: 10, stop: 'diverged' }, 500);
    expect(time.all()).toBeCloseTo(1000);
    time.observe(work('seed 1', 0), 500);
    time.observe(work('seed 1', 80), 1300);
    time.observe({ type: 'sweep', seed: 1, step: 8, steps: 10, stop: 'diverged' }, 1300);
    expect(time.all()).toBeCloseTo(800);
  });
});
