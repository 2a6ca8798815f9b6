import { describe, expect, it } from 'vitest';
import { Arrivals } from '../../../src/data/images/prepare.js';

function store() {
  const there = new Set<number>();
  const end = new AbortController();
  const arrivals = new Arrivals((image) => there.has(image), end.signal);
  const put = (image: number) => {
    there.add(image);
    arrivals.announce(image);
  };
  return { arrivals, put, end };
}

/** What has become of a promise by the next turn of the event loop. */
async function stateOf(promise: Promise<unknown>): Promise<string> {
  const later = new Promise((resolve) => setImmediate(() => resolve('waiting')));
  return String(
    await Promise.race([
      promise.then(
        () => 'here',
        (error: unknown) => String(error),
      ),
      later,
    ]),
  );
}

describe('arrivals', () => {
  it('tell everybody who waits, of that image alone, and whoever asks later', async () => {
    const { arrivals, put } = store();
    const [first, again, other] = [arrivals.of(1), arrivals.of(1), arrivals.of(2)];
    expect(await stateOf(first)).toBe('waiting');
    put(1);
    expect(await stateOf(first)).toBe('here');
    expect(await stateOf(again)).toBe('here');
    expect(await stateOf(other)).toBe('waiting');
    expect(await stateOf(arrivals.of(1))).toBe('here');
  });

  it('end for all that have not come, now and later, but not for what is there', async () => {
    const { arrivals, put, end } = store();
    const waiting = arrivals.of(1);
    put(2);
    end.abort(new Error('no more'));
    expect(await stateOf(waiting)).toBe('Error: no more');
    expect(await stateOf(arrivals.of(3))).toBe('Error: no more');
    expect(await stateOf(arrivals.of(2))).toBe('here');
  });
});
