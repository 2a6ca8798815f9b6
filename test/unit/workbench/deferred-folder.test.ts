import { describe, expect, it } from 'vitest';
import { DeferredFolder } from '../../../src/workbench/deferred-folder.js';

/** A list in place of a folder, that can be created once `tell` was called. */
function list(create: () => Promise<string[]> = async () => []) {
  let tell = () => undefined as unknown;
  const known = new Promise((resolve) => (tell = () => resolve(undefined)));
  return { deferred: new DeferredFolder(known, create), tell: () => tell() };
}

describe('a deferred folder', () => {
  it('gets all that was written to it, in order, whether before or after it was created', async () => {
    const { deferred, tell } = list();
    deferred.write((it) => it.push('a'));
    deferred.write((it) => it.push('b'));
    expect(deferred.created).toBeUndefined();
    tell();
    expect(await deferred.ready).toEqual(['a', 'b']);
    deferred.write((it) => it.push('c'));
    expect(deferred.created).toEqual(['a', 'b', 'c']);
  });

  it('is waited for while it is created, not before', async () => {
    let finish = () => undefined as unknown;
    const { deferred, tell } = list(() => new Promise((resolve) => (finish = () => resolve([]))));
    await deferred.finishCreating();
    tell();
    await Promise.resolve();
    const waiting = deferred.finishCreating().then(() => deferred.created);
    finish();
    expect(await waiting).toEqual([]);
  });

  it('throws what kept it from being created, and is there where only what was written to it failed', async () => {
    const failed = list(() => Promise.reject(new Error('no space')));
    failed.tell();
    await expect(failed.deferred.ready).rejects.toThrow('no space');
    expect(() => failed.deferred.write(() => undefined)).toThrow('no space');
    expect(failed.deferred.created).toBeUndefined();

    const { deferred, tell } = list();
    deferred.write(() => {
      throw new Error('cannot append');
    });
    tell();
    await expect(deferred.ready).rejects.toThrow('cannot append');
    expect(deferred.created).toEqual([]);
  });
});
