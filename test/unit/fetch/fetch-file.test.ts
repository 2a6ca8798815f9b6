import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { RunError, UsageError } from '../../../src/errors.js';
import { addressOf, cacheFolder } from '../../../src/fetch/cache.js';
import { fetchFile, type RemoteFile } from '../../../src/fetch/fetch-file.js';
import { serveFiles, type Served } from './file-server.js';

// 300,000 bytes that do not repeat: a part in the wrong place is seen.
const BODY = Buffer.concat(
  Array.from({ length: 9375 }, (_, i) => createHash('sha256').update(String(i)).digest()),
);
const SHA256 = createHash('sha256').update(BODY).digest('hex');
const MD5 = createHash('md5').update(BODY).digest('hex');
const ETAG = '"one"';

function cache(): string {
  const dir = mkdtempSync(join(tmpdir(), 'onecycle-fetch-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Downloads one file from a server that serves it so. */
async function tried(served: Served, more: Partial<RemoteFile> = {}, folder = cache()) {
  const server = await serveFiles({ '/file.bin': served });
  server.arrived = 0;
  const file: RemoteFile = {
    ...{ url: `${server.address}/file.bin`, name: 'file.bin', bytes: BODY.length },
    ...{ hash: { algorithm: 'sha256', value: SHA256 } as const, ...more },
  };
  const notes: string[] = [];
  const seen: (number | null)[][] = [];
  const signal = new AbortController().signal;
  const options = {
    ...{ folder, signal, pause: 1, onNote: (text: string) => notes.push(text) },
    onProgress: ({ doing, done, total }: { doing: string; done: number; total: number | null }) => {
      if (doing !== 'download') return;
      seen.push([done, total]);
      server.arrived = done;
    },
  };
  const again = () => fetchFile(file, options);
  return {
    folder,
    server,
    file,
    notes,
    seen,
    again,
    outcome: await again().then(
      (found) => found,
      (error: unknown) => error as Error,
    ),
  };
}

describe('a download', () => {
  it('is the file, under its name, with its checksum, and nothing beside it', async () => {
    const { folder, seen, server, again, outcome } = await tried({ body: BODY });
    expect(outcome).toEqual({
      path: join(folder, 'file.bin'),
      bytes: 300_000,
      sha256: SHA256,
      downloaded: true,
    });
    expect(readFileSync(join(folder, 'file.bin')).equals(BODY)).toBe(true);
    expect(readdirSync(folder)).toEqual(['file.bin']);
    expect(seen[0]).toEqual([0, 300_000]);
    expect(seen.at(-1)).toEqual([300_000, 300_000]);
    // What is there is checked, and not asked for again.
    expect(await again()).toMatchObject({ downloaded: false, sha256: SHA256 });
    expect(server.asked).toHaveLength(1);
  });

  it('goes on where a connection was cut, and tells the host which file it began', async () => {
    const { server, notes, folder } = await tried({ body: BODY, etag: ETAG, cuts: [100_000, 50_000] });
    expect(readFileSync(join(folder, 'file.bin')).equals(BODY)).toBe(true);
    const ranges = server.asked.map(({ range, ifRange }) => [range, ifRange]);
    expect(ranges).toEqual([
      [undefined, undefined],
      ['bytes=100000-', ETAG],
      ['bytes=150000-', ETAG],
    ]);
    expect(notes[0]).toMatch(
      /^file\.bin: 127\.0\.0\.1:\d+ broke the connection off .*\(100 kB are here\); trying again in 0\.001 s$/u,
    );
  });

  it('starts again where the host has another file by now', async () => {
    const folder = cache();
    const other = Buffer.alloc(300_000, 7);
    writeFileSync(join(folder, 'file.bin.part'), other.subarray(0, 90_000));
    const server = await serveFiles({ '/file.bin': { body: BODY, etag: ETAG } });
    const url = `${server.address}/file.bin`;
    writeFileSync(join(folder, 'file.bin.part.json'), JSON.stringify({ url, validator: '"older"' }));
    const signal = new AbortController().signal;
    const found = await fetchFile({ url, name: 'file.bin' }, { folder, signal });
    expect(server.asked).toEqual([{ path: '/file.bin', range: 'bytes=90000-', ifRange: '"older"' }]);
    expect(found.sha256).toBe(SHA256);
  });

  it.each([
    [
      'by its date where it has no ETag',
      { lastModified: 'Wed, 21 Oct 2015 07:28:00 GMT' },
      ['bytes=100000-', 'Wed, 21 Oct 2015 07:28:00 GMT'],
    ],
    [
      'by its date where the ETag is a weak one',
      { etag: 'W/"one"', lastModified: 'Wed, 21 Oct 2015 07:28:00 GMT' },
      ['bytes=100000-', 'Wed, 21 Oct 2015 07:28:00 GMT'],
    ],
    ['without a condition where it has neither and a checksum will judge', {}, ['bytes=100000-', undefined]],
  ])('goes on %s', async (_, served, expected) => {
    const { server, outcome } = await tried({ body: BODY, cuts: [100_000], ...served });
    expect(outcome).toMatchObject({ sha256: SHA256 });
    expect([server.asked[1]?.range, server.asked[1]?.ifRange]).toEqual(expected);
  });

  it('starts again where nothing could tell a mixture of two files', async () => {
    const { server, outcome } = await tried({ body: BODY, cuts: [100_000] }, { hash: null });
    expect(outcome).toMatchObject({ sha256: SHA256 });
    expect(server.asked[1]?.range).toBeUndefined();
  });

  it('takes the whole file where the host ignores what part is asked for', async () => {
    const { server, outcome } = await tried({ body: BODY, etag: ETAG, cuts: [100_000], ignoresRange: true });
    expect(outcome).toMatchObject({ sha256: SHA256 });
    expect(server.asked[1]?.range).toBe('bytes=100000-');
  });

  it('gives up after five tries that bring nothing', async () => {
    const { server, outcome, folder } = await tried({ body: BODY, statuses: Array<number>(9).fill(503) });
    expect(server.asked).toHaveLength(5);
    expect(outcome).toBeInstanceOf(RunError);
    expect((outcome as Error).message).toBe(
      `Could not download ${server.address}/file.bin: ${new URL(server.address).host} answered 503. The same command goes on with what has arrived; or ` +
        `put it by hand at ${join(folder, 'file.bin')} (300000 bytes, sha256 ${SHA256}), and it is taken from there.`,
    );
  });

  it('comes through two answers that a host is too busy', async () => {
    const { server, outcome } = await tried({ body: BODY, statuses: [503, 429] });
    expect(outcome).toMatchObject({ sha256: SHA256 });
    expect(server.asked).toHaveLength(3);
  });

  it('follows where the host sends on to, and not without an end', async () => {
    const end = await serveFiles({ '/b/there.bin': { body: BODY } });
    const { outcome } = await tried({ body: BODY, statuses: [302], location: `${end.address}/b/there.bin` });
    expect(outcome).toMatchObject({ sha256: SHA256 });
    const round = await tried({ body: BODY, statuses: Array<number>(20).fill(301), location: 'file.bin' });
    expect(round.server.asked).toHaveLength(11);
    expect((round.outcome as Error).message).toContain('sends on from address to address without an end');
  });

  it('says at once what a host does not have, and where it is not to be reached', async () => {
    const { server, outcome } = await tried({ body: BODY, statuses: [404] });
    expect((outcome as Error).message).toContain('answered 404.');
    expect(server.asked).toHaveLength(1);
    const folder = cache();
    const signal = new AbortController().signal;
    const nobody = fetchFile(
      { url: 'http://127.0.0.1:9/file.bin', name: 'f' },
      { folder, signal, instead: 'Take X.' },
    );
    await expect(nobody).rejects.toThrow(
      `Could not download http://127.0.0.1:9/file.bin: 127.0.0.1:9 takes no calls (ECONNREFUSED). The same command goes on with what has arrived; or put it by hand at ${join(folder, 'f')}, and it is taken from there. Take X.`,
    );
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a file that is not the published one', () => {
  it('is refused before it is downloaded where its length tells', async () => {
    const { outcome, folder, seen } = await tried({ body: BODY.subarray(0, 299_999) });
    expect(outcome).toBeInstanceOf(RunError);
    expect((outcome as Error).message).toMatch(
      / offers 299999 bytes, and 300000 were expected\. Nothing of it was kept\. /u,
    );
    expect(seen).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is removed where its checksum tells', async () => {
    const other = Buffer.from(BODY);
    other[150_000]! ^= 1;
    const { outcome, folder } = await tried({ body: other });
    expect((outcome as Error).message).toContain(`and ${SHA256} was expected. Nothing of it was kept.`);
    expect(readdirSync(folder)).toEqual([]);
    const md5 = await tried({ body: BODY }, { hash: { algorithm: 'md5', value: MD5 } });
    expect(md5.outcome).toMatchObject({ sha256: SHA256 });
    const wrong = await tried({ body: other }, { hash: { algorithm: 'md5', value: MD5 } });
    expect((wrong.outcome as Error).message).toContain(
      `its md5 is ${createHash('md5').update(other).digest('hex')}, and ${MD5} was expected`,
    );
  });

  it('is refused where more of it comes than there should be', async () => {
    const long = Buffer.concat([BODY, Buffer.alloc(200_000)]);
    const { outcome, folder } = await tried({ body: long, length: null });
    expect((outcome as Error).message).toContain('sends more than 300000 bytes');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is refused where the host announces more than it has', async () => {
    const { outcome, server } = await tried({ body: BODY, length: 400_000 }, { bytes: null });
    expect((outcome as Error).message).toContain(' has no such part of the file. ');
    // Whole once, and then asked for more of it, or for all of it again, four times.
    expect(server.asked).toHaveLength(6);
  });

  it('lies in the cache already: said, and left alone', async () => {
    const folder = cache();
    writeFileSync(join(folder, 'file.bin'), 'somebody put this here');
    const { outcome, server } = await tried({ body: BODY }, {}, folder);
    expect(outcome).toBeInstanceOf(UsageError);
    expect((outcome as Error).message).toBe(
      `${join(folder, 'file.bin')} is not the file that it should be: it has 22 bytes, and 300000 were expected. Remove it, and it is downloaded from ${server.address}/file.bin; or put the right one there.`,
    );
    expect(readFileSync(join(folder, 'file.bin'), 'utf8')).toBe('somebody put this here');
    expect(server.asked).toEqual([]);
  });

  it('is told from its first download where nobody publishes a checksum', async () => {
    const { folder, again } = await tried({ body: BODY }, { hash: null, bytes: null });
    expect(readFileSync(join(folder, 'file.bin.sha256'), 'utf8')).toBe(`${SHA256}  file.bin\n`);
    expect(execFileSync('sha256sum', ['-c', 'file.bin.sha256'], { cwd: folder, encoding: 'utf8' })).toBe(
      'file.bin: OK\n',
    );
    writeFileSync(join(folder, 'file.bin'), BODY.subarray(1));
    await expect(again()).rejects.toThrow(`and ${SHA256} was expected`);
    rmSync(join(folder, 'file.bin'));
    const other = await tried({ body: BODY.subarray(1) }, { hash: null, bytes: null }, folder);
    expect((other.outcome as Error).message).toContain(`and ${SHA256} was expected`);
  });
});

describe('a download that is stopped', () => {
  it('keeps what has arrived, and goes on from there in another call', async () => {
    const folder = cache();
    const server = await serveFiles({ '/file.bin': { body: BODY, etag: ETAG, stallsAfter: 120_000 } });
    const file = { url: `${server.address}/file.bin`, name: 'file.bin', bytes: BODY.length };
    const stop = new AbortController();
    const onProgress = ({ done }: { done: number }) => done === 120_000 && stop.abort(new Error('stopped'));
    await expect(fetchFile(file, { folder, signal: stop.signal, onProgress })).rejects.toThrow('stopped');
    expect(readdirSync(folder).sort()).toEqual(['file.bin.part', 'file.bin.part.json']);
    server.files.set('/file.bin', { body: BODY, etag: ETAG });
    const notes: string[] = [];
    const found = await fetchFile(file, {
      folder,
      signal: new AbortController().signal,
      onNote: (text) => notes.push(text),
    });
    expect(found.sha256).toBe(SHA256);
    expect(server.asked[1]).toEqual({ path: '/file.bin', range: 'bytes=120000-', ifRange: ETAG });
    expect(notes).toEqual(['file.bin: going on after 120 kB']);
  });

  it('leaves a lock that is taken over; the lock of one that goes on is waited for', async () => {
    const folder = cache();
    mkdirSync(folder, { recursive: true });
    const { MACHINE_TAG } = await import('../../../src/system.js');
    const gone = execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }).trim();
    writeFileSync(join(folder, 'file.bin.lock'), `${MACHINE_TAG} ${gone} x\n`);
    const taken = await tried({ body: BODY }, {}, folder);
    expect(taken.outcome).toMatchObject({ downloaded: true });
    expect(taken.notes).toEqual([]);
    rmSync(join(folder, 'file.bin'));
    // Of a machine that cannot be seen from here.
    writeFileSync(join(folder, 'file.bin.lock'), 'another 1 x\n');
    const waiting = tried({ body: BODY }, {}, folder);
    await vi.waitFor(() => expect(existsSync(join(folder, 'file.bin.lock'))).toBe(true));
    writeFileSync(join(folder, 'file.bin'), BODY);
    rmSync(join(folder, 'file.bin.lock'));
    const { outcome } = await waiting;
    expect(outcome).toMatchObject({ downloaded: false });
  });

  it('is done once where two ask for it at the same time', async () => {
    const folder = cache();
    const server = await serveFiles({ '/file.bin': { body: BODY, etag: ETAG } });
    const file = { url: `${server.address}/file.bin`, name: 'file.bin' };
    const one = () => fetchFile(file, { folder, signal: new AbortController().signal });
    const found = await Promise.all([one(), one(), one()]);
    expect(found.map(({ downloaded }) => downloaded).sort()).toEqual([false, false, true]);
    expect(server.asked).toHaveLength(1);
  });

  it('for want of space says so and keeps what has arrived', async (context) => {
    if (process.getuid?.() !== 0 || process.platform !== 'linux')
      return context.skip('mounting a small disk needs root on Linux');
    const folder = cache();
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', folder], { stdio: 'pipe' });
    } catch (error) {
      return context.skip(`mount is not allowed here: ${String(error)}`);
    }
    onTestFinished(() => void execFileSync('umount', ['-l', folder]));
    // The host does not say how much is to come, so that it cannot be refused before.
    const { outcome } = await tried({ body: BODY, length: null }, { bytes: null }, folder);
    expect(outcome).toBeInstanceOf(RunError);
    expect((outcome as Error).message).toContain('no space is left on that device (ENOSPC)');
    expect(readFileSync(join(folder, 'file.bin.part')).length).toBeGreaterThan(50_000);
    const told = await tried({ body: BODY }, {}, folder);
    expect((told.outcome as Error).message).toMatch(
      / needs 300000 bytes more, and .* has room for \d+\. Free some space, /u,
    );
  });
});

describe('the place of the cache', () => {
  it('is ONECYCLE_CACHE, else that of XDG, else below the home folder', () => {
    const home = join(process.env['HOME'] ?? '', '.cache', 'onecycle');
    expect(cacheFolder({ ONECYCLE_CACHE: '/a/b', XDG_CACHE_HOME: '/c' })).toBe('/a/b');
    expect(cacheFolder({ XDG_CACHE_HOME: '/c' })).toBe(join('/c', 'onecycle'));
    expect(cacheFolder({ ONECYCLE_CACHE: '', XDG_CACHE_HOME: 'c' })).toBe(home);
  });

  it('may be filled from a mirror with the same hosts and paths', () => {
    const official = 'https://download.pytorch.org/tutorial/hymenoptera_data.zip';
    expect(addressOf(official, {}).href).toBe(official);
    expect(addressOf(official, { ONECYCLE_MIRROR: 'http://10.0.0.1:80/files/' }).href).toBe(
      'http://10.0.0.1/files/download.pytorch.org/tutorial/hymenoptera_data.zip',
    );
    expect(() => addressOf(official, { ONECYCLE_MIRROR: '/files' })).toThrow(UsageError);
  });
});
