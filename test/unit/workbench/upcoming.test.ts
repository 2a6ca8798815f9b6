import { describe, expect, it } from 'vitest';
import { Upcoming } from '../../../src/workbench/upcoming.js';

/** A list that can be made once `tell` was called. */
function list(make: () => Promise<string[]> = async () => []) {
  let tell = () => undefined as unknown;
  const known = new Promise((resolve) => (tell = () => resolve(undefined)));
  return { upcoming: new Upcoming(known, make), tell: () => tell() };
}

describe('something upcoming', () => {
  it('gets all that was done to it, in order, whether before or after it was made', async () => {
    const { upcoming, tell } = list();
    upcoming.act((it) => it.push('a'));
    upcoming.act((it) => it.push('b'));
    expect(upcoming.here).toBeUndefined();
    tell();
    expect(await upcoming.ready).toEqual(['a', 'b']);
    upcoming.act((it) => it.push('c'));
    expect(upcoming.here).toEqual(['a', 'b', 'c']);
  });

  it('is waited for while it is made, not before', async () => {
    let finish = () => undefined as unknown;
    const { upcoming, tell } = list(() => new Promise((resolve) => (finish = () => resolve([]))));
    await upcoming.madeIfKnown();
    tell();
    await Promise.resolve();
    const waiting = upcoming.madeIfKnown().then(() => upcoming.here);
    finish();
    expect(await waiting).toEqual([]);
    expect(await Upcoming.of('here').ready).toBe('here');
  });

  it('throws what kept it from being made, and is there where only what was done to it failed', async () => {
    const failed = list(() => Promise.reject(new Error('no space')));
    failed.tell();
    await expect(failed.upcoming.ready).rejects.toThrow('no space');
    expect(() => failed.upcoming.act(() => undefined)).toThrow('no space');
    expect(failed.upcoming.here).toBeUndefined();

    const { upcoming, tell } = list();
    upcoming.act(() => {
      throw new Error('cannot append');
    });
    tell();
    await expect(upcoming.ready).rejects.toThrow('cannot append');
    expect(upcoming.here).toEqual([]);
  });
});
