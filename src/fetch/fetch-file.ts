import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import { messageOf, RunError, UsageError } from '../errors.js';
import { errnoOf, makeFolders, parseJson } from '../files.js';
import { addressOf } from './cache.js';
import { withLock } from './lock.js';

/** A file that somebody publishes. */
export interface RemoteFile {
  /** The official address, whatever mirror is used. */
  readonly url: string;
  /** Its name in the cache. */
  readonly name: string;
  /** Its size, where the publisher or a loader of its states it. */
  readonly bytes?: number | null;
  /** Its checksum, likewise. Where there is none, that of the first download is recorded and holds from then on. */
  readonly hash?: FileHash | null;
}

interface FileHash {
  readonly algorithm: 'md5' | 'sha256';
  /** In hexadecimal. */
  readonly value: string;
}

/** The same with what is known of it by now. */
type Wanted = Required<RemoteFile>;

/** What goes on with a file, in bytes; the total may be unknown. */
export interface FetchProgress {
  readonly doing: 'download' | 'check';
  readonly done: number;
  readonly total: number | null;
}

export interface FetchOptions {
  /** Where the file is kept, a folder of the cache; it is made where it is missing. */
  readonly folder: string;
  /** What has arrived is kept when it is aborted, and the next call goes on from there. */
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: FetchProgress) => void;
  /** Hears in words what a user should know: waits, broken connections, what is gone on with. */
  readonly onNote?: (text: string) => void;
  /** A sentence for the end of an error's message: what the user may take instead. */
  readonly instead?: string;
  /** Milliseconds before the first new try; each further one waits twice as long. */
  readonly pause?: number;
}

export interface FetchedFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Whether it came over the network now, and did not lie in the cache already. */
  readonly downloaded: boolean;
}

/** Tries in a row that bring nothing new, and tries in all. */
const RETRIES = 4;
const MOST_TRIES = 100;
const PAUSE = 1000;
/** Milliseconds that a host may be silent: before it takes the call, before it answers, and between two pieces. */
const PATIENCE = { connect: 15_000, answer: 30_000, piece: 30_000 };
const REDIRECTS = 10;
/** Bytes that are taken at most where nobody says how many there are. */
const LARGEST = 20e9;

/**
 * Downloads one file into a folder of the cache, or finds it there: also one that was put there by hand, or begun by a process that
 * was stopped. It appears under its name once it is whole, of the size and checksum that are stated. Of several processes one
 * downloads and the others wait.
 * @throws UsageError where a file in its place is another one, or the cache cannot be written; RunError where the host cannot be
 * reached, or gives another file than is stated, and where no space is left
 */
export async function fetchFile(asked: RemoteFile, options: FetchOptions): Promise<FetchedFile> {
  const { folder, signal, onNote = () => undefined } = options;
  const path = join(folder, asked.name);
  const hash = asked.hash ?? (await recordedHash(path));
  const file: Wanted = { ...asked, bytes: asked.bytes ?? null, hash: hash ?? null };
  signal.throwIfAborted();
  try {
    // A cache that may only be read is of use too: nothing is written before something is missing.
    const there = await checkedThere(path, file, options);
    if (there !== undefined) return there;
    await makeFolders(folder);
    const onWait = () => onNote(`waiting for another process that is downloading ${file.name}`);
    return await withLock(`${path}.lock`, { signal, onWait }, async () => {
      const meanwhile = await checkedThere(path, file, options);
      if (meanwhile !== undefined) return meanwhile;
      const part = `${path}.part`;
      await download(file, part, options);
      const found = await identify(part, file, options);
      const fault = faultOf(found, file);
      if (fault !== undefined) {
        await removePart(part);
        throw wrongFile(file, path, fault, options);
      }
      if (hash === undefined) await writeFile(recordOf(path), `${found.sha256}  ${file.name}\n`);
      await rename(part, path);
      await removePart(part);
      return { path, ...found, downloaded: true };
    });
  } catch (error) {
    signal.throwIfAborted();
    throw explainCacheError(error, path);
  }
}

/** Beside a file without a published checksum: that of its first download, as sha256sum reads it. */
function recordOf(path: string): string {
  return `${path}.sha256`;
}

/** The file at `path`, checked; undefined where there is none. Throws UsageError where it is another one. */
async function checkedThere(
  path: string,
  file: Wanted,
  options: FetchOptions,
): Promise<FetchedFile | undefined> {
  const known = await stat(path).catch(() => undefined);
  if (known === undefined) return undefined;
  if (!known.isFile()) throw new UsageError(`${path} is in the way of a download: move or remove it.`);
  const found = await identify(path, file, options);
  const fault = faultOf(found, file);
  if (fault === undefined) return { path, ...found, downloaded: false };
  throw new UsageError(
    `${path} is not the file that it should be: ${fault}. Remove it, and it is downloaded from ${addressOf(file.url)}; or put the right one there.`,
  );
}

async function recordedHash(path: string): Promise<FileHash | undefined> {
  const text = await readFile(recordOf(path), 'utf8').catch(() => '');
  const value = /^[0-9a-f]{64}(?= )/u.exec(text)?.[0];
  return value === undefined ? undefined : { algorithm: 'sha256', value };
}

/** What a file on disk is. */
interface Identity {
  readonly bytes: number;
  readonly sha256: string;
  /** Undefined where nobody asks for it. */
  readonly md5?: string;
}

async function identify(path: string, { hash }: Wanted, options: FetchOptions): Promise<Identity> {
  const { size: total } = await stat(path);
  const sha256 = createHash('sha256');
  const md5 = hash?.algorithm === 'md5' ? createHash('md5') : undefined;
  let bytes = 0;
  for await (const piece of createReadStream(path, { highWaterMark: 2 ** 20, signal: options.signal })) {
    sha256.update(piece);
    md5?.update(piece);
    bytes += piece.length;
    options.onProgress?.({ doing: 'check', done: bytes, total });
  }
  return { bytes, sha256: sha256.digest('hex'), ...(md5 && { md5: md5.digest('hex') }) };
}

/** How a file differs from what is stated, in half a sentence; undefined where it does not. */
function faultOf(found: Identity, { bytes, hash }: Wanted): string | undefined {
  if (bytes !== null && found.bytes !== bytes)
    return `it has ${found.bytes} bytes, and ${bytes} were expected`;
  if (hash === null || found[hash.algorithm] === hash.value) return undefined;
  return `its ${hash.algorithm} is ${found[hash.algorithm]}, and ${hash.value} was expected`;
}

/** Something that may go better the next time. `reached` tells whether the host took the call. */
class Passing extends Error {
  constructor(
    message: string,
    readonly reached: boolean,
  ) {
    super(message);
  }
}

/** The host's last word. */
class Refused extends Error {}

/** Brings `part` to its full length, in as many tries as it takes while they bring something. */
async function download(file: Wanted, part: string, options: FetchOptions): Promise<void> {
  const { signal, onNote = () => undefined, pause = PAUSE } = options;
  let fruitless = 0;
  let most = 0;
  let fruitful = false;
  for (let tries = 1; ; tries++) {
    const before = await sizeOf(part);
    if (before > 0 && before === file.bytes) return;
    try {
      return await downloadRest(file, part, options);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Refused) throw unreachable(file, pathOf(part), error.message, options);
      if (!(error instanceof Passing)) throw error;
      const now = await sizeOf(part);
      most = Math.max(most, before);
      fruitless = now > most ? 0 : fruitless + 1;
      fruitful ||= now > most;
      most = Math.max(most, now);
      // Who is offline should not wait to be told so.
      if (fruitless > RETRIES || tries >= MOST_TRIES || !(error.reached || fruitful)) {
        throw unreachable(file, pathOf(part), error.message, options);
      }
      const wait = pause * 2 ** fruitless;
      onNote(`${file.name}: ${error.message} (${sizeText(now)} are here); trying again in ${wait / 1000} s`);
      await sleep(wait, undefined, { signal });
    }
  }
}

/** One call: asks for what is missing in `part`, and appends it. Throws Passing where that may work better the next time. */
async function downloadRest(file: Wanted, part: string, options: FetchOptions): Promise<void> {
  const { signal, onProgress } = options;
  const have = await resumable(part, file);
  const { body, status, headers, address } = await ask(file, have, signal);
  const at = status === 206 ? rangeOf(headers['content-range']) : { start: 0, total: lengthOf(headers) };
  if (status === 206 && at.start !== have.bytes) {
    await body.dump();
    await removePart(part);
    throw new Passing(`${address.host} answered with another part of the file than was asked for`, true);
  }
  const total = at.total ?? file.bytes ?? null;
  if (at.total !== null && file.bytes !== null && at.total !== file.bytes) {
    body.destroy();
    const fault = `${address.host} offers ${at.total} bytes, and ${file.bytes} were expected`;
    throw wrongFile(file, pathOf(part), fault, options);
  }
  if (at.start > 0) options.onNote?.(`${file.name}: going on after ${sizeText(at.start)}`);
  await requireSpace(part, total === null ? 0 : total - at.start);
  const target = await open(part, at.start === 0 ? 'w' : 'r+');
  try {
    if (at.start === 0)
      await writeFile(noteOf(part), JSON.stringify({ url: file.url, ...validatorOf(headers) }));
    let done = at.start;
    onProgress?.({ doing: 'download', done, total });
    for await (const piece of pieces(body, address)) {
      if (done + piece.length > (total ?? LARGEST)) {
        await removePart(part);
        const fault = `${address.host} sends more than ${total ?? LARGEST} bytes`;
        throw wrongFile(file, pathOf(part), fault, options);
      }
      await writeAll(target, piece, done);
      done += piece.length;
      onProgress?.({ doing: 'download', done, total });
    }
    if (total !== null && done < total) throw new Passing(`${address.host} broke the connection off`, true);
    await target.sync();
  } finally {
    body.destroy();
    await target.close();
  }
}

/** What the host said, and where the call ended up. */
interface Answer {
  readonly status: 200 | 206;
  readonly headers: Headers;
  readonly body: Awaited<ReturnType<typeof request>>['body'];
  readonly address: URL;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Asks for a file, or for the rest of one, and follows where the host sends on to. */
async function ask(file: Wanted, have: Begun, signal: AbortSignal): Promise<Answer> {
  let address = addressOf(file.url);
  const asked = {
    'user-agent': 'onecycle',
    // A checksum is that of the file as it is: nothing is to be packed or unpacked on the way.
    'accept-encoding': 'identity',
    ...(have.bytes > 0 && { range: `bytes=${have.bytes}-` }),
    ...(have.validator !== undefined && { 'if-range': have.validator }),
  };
  for (let hop = 0; hop <= REDIRECTS; hop++) {
    const { statusCode, headers, body } = await request(address, {
      ...{ headers: asked, signal, dispatcher: dispatcher() },
      ...{ headersTimeout: PATIENCE.answer, bodyTimeout: PATIENCE.piece },
    }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw new Passing(reasonOf(error, address), false);
    });
    // A connection may break off before anybody reads from it: that is told to the reader, and must not end the program.
    body.on('error', () => undefined);
    if (statusCode === 200 || statusCode === 206) return { status: statusCode, headers, body, address };
    await body.dump();
    const next = first(headers['location']);
    if (statusCode >= 300 && statusCode < 400 && next !== undefined && URL.canParse(next, address.href)) {
      const to = new URL(next, address);
      if (to.protocol !== 'https:' && (to.protocol !== 'http:' || address.protocol === 'https:')) {
        throw new RunError(
          `${address} sends on to ${to}, which is no secure address: nothing was downloaded. Try another network, or put the file into the cache by hand.`,
        );
      }
      address = to;
      continue;
    }
    if (statusCode === 416) {
      // There is no such part of it: what is here is of another file.
      await removePart(have.part);
      throw new Passing(`${address.host} has no such part of the file`, true);
    }
    const said = `${address.host} answered ${statusCode}`;
    if (statusCode >= 500 || [408, 425, 429].includes(statusCode)) throw new Passing(said, true);
    throw new Refused(said);
  }
  throw new Refused(`${address.host} sends on from address to address without an end`);
}

/** A proxy that the environment names (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) is used; without one, the host is called itself. */
function dispatcher(): Dispatcher {
  const names = ['https_proxy', 'http_proxy', 'HTTPS_PROXY', 'HTTP_PROXY'];
  const connect = { timeout: PATIENCE.connect };
  callers ??= names.some((name) => process.env[name])
    ? new EnvHttpProxyAgent({ connect })
    : new Agent({ connect });
  return callers;
}

let callers: Dispatcher | undefined;

/** The pieces of an answer as they come in. Throws Passing where they end before they should. */
async function* pieces(body: Answer['body'], { host }: URL): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (error) {
    throw new Passing(`${host} broke the connection off (${codeOf(error)})`, true);
  }
}

/** Why a host could not be reached, in words. */
function reasonOf(error: unknown, { host }: URL): string {
  const code = codeOf(error);
  const known: Readonly<Record<string, string>> = {
    ENOTFOUND: `there is no host ${host}, or no network`,
    EAI_AGAIN: `the address of ${host} could not be looked up: there may be no network`,
    ECONNREFUSED: `${host} takes no calls`,
    ENETUNREACH: 'there is no network',
    EHOSTUNREACH: `${host} cannot be reached`,
    UND_ERR_CONNECT_TIMEOUT: `${host} did not answer within ${PATIENCE.connect / 1000} s`,
    UND_ERR_HEADERS_TIMEOUT: `${host} did not answer within ${PATIENCE.answer / 1000} s`,
  };
  return `${known[code] ?? `${host} could not be reached: ${messageOf(error)}`} (${code})`;
}

function codeOf(error: unknown): string {
  // Where a host has several addresses, the error of each lies inside.
  const inner = error instanceof AggregateError ? error.errors[0] : error;
  return inner instanceof Error && 'code' in inner ? String(inner.code) : messageOf(inner);
}

/** What is here of a file already, and by what the host may tell whether it is still the same one. */
interface Begun {
  readonly part: string;
  readonly bytes: number;
  readonly validator?: string | undefined;
}

/** Beside a part: where it is from. */
function noteOf(part: string): string {
  return `${part}.json`;
}

/**
 * What can be gone on with: a part of this address that the host can be asked about, by its ETag or date (RFC 9110, section 13.1.5),
 * or that a checksum will judge. Else nothing.
 */
async function resumable(part: string, { url, bytes: whole, hash }: Wanted): Promise<Begun> {
  const bytes = await sizeOf(part);
  const text = await readFile(noteOf(part), 'utf8').catch(() => '');
  const note = readNote(text);
  const goesOn = note?.url === url && (note.validator !== undefined || hash !== null);
  if (bytes === 0 || !goesOn || (whole !== null && bytes > whole)) {
    await removePart(part);
    return { part, bytes: 0 };
  }
  return { part, bytes, validator: note.validator };
}

function readNote(text: string): { readonly url: string; readonly validator?: string } | undefined {
  try {
    const note: unknown = parseJson(text);
    if (typeof note !== 'object' || note === null || !('url' in note) || typeof note.url !== 'string')
      return undefined;
    const validator = 'validator' in note && typeof note.validator === 'string' ? note.validator : undefined;
    return { url: note.url, ...(validator !== undefined && { validator }) };
  } catch {
    return undefined;
  }
}

/** A strong ETag, else the date of the last change; If-Range takes no weak ETag. */
function validatorOf(headers: Headers): { readonly validator?: string } {
  const etag = first(headers['etag']);
  const validator = etag?.startsWith('"') === true ? etag : first(headers['last-modified']);
  return validator === undefined ? {} : { validator };
}

/** Content-Range, as in «bytes 100-199/200». */
function rangeOf(header: Headers[string]): { readonly start: number; readonly total: number | null } {
  const { start, total } =
    /^bytes (?<start>\d+)-\d+\/(?<total>\d+|\*)$/u.exec(first(header) ?? '')?.groups ?? {};
  return { start: Number(start ?? NaN), total: total === undefined || total === '*' ? null : Number(total) };
}

function lengthOf(headers: Headers): number | null {
  const length = first(headers['content-length']);
  return length !== undefined && /^\d+$/u.test(length) ? Number(length) : null;
}

function first(header: Headers[string]): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function removePart(part: string): Promise<void> {
  await Promise.all([rm(part, { force: true }), rm(noteOf(part), { force: true })]);
}

function pathOf(part: string): string {
  return part.replace(/\.part$/u, '');
}

async function writeAll(target: FileHandle, piece: Buffer, position: number): Promise<void> {
  for (let written = 0; written < piece.length;) {
    const left = piece.length - written;
    written += (await target.write(piece, written, left, position + written)).bytesWritten;
  }
}

/** Throws RunError where a disk has not the room for what is to come; some file systems do not tell. */
async function requireSpace(part: string, bytes: number): Promise<void> {
  const free = await statfs(dirname(part)).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => Infinity,
  );
  if (bytes <= free) return;
  throw new RunError(
    `${pathOf(part)} needs ${bytes} bytes more, and ${dirname(part)} has room for ${free}. Free some space, or give the cache another place with ONECYCLE_CACHE.`,
  );
}

/** What to do by hand. */
function byHand(path: string, { bytes, hash }: Wanted): string {
  const facts = [
    bytes === null ? '' : `${bytes} bytes`,
    hash === null ? '' : `${hash.algorithm} ${hash.value}`,
  ];
  const shown = facts.filter((fact) => fact !== '').join(', ');
  return `put it by hand at ${path}${shown === '' ? '' : ` (${shown})`}`;
}

function unreachable(file: Wanted, path: string, reason: string, { instead = '' }: FetchOptions): RunError {
  return new RunError(
    `Could not download ${addressOf(file.url)}: ${reason}. The same command goes on with what has arrived; or ${byHand(path, file)}, and it is taken from there. ${instead}`.trim(),
  );
}

function wrongFile(file: Wanted, path: string, fault: string, { instead = '' }: FetchOptions): RunError {
  return new RunError(
    `What came from ${addressOf(file.url)} is not the file that is published: ${fault}. Nothing of it was kept. A page that wants a login may have answered in its place, or it was replaced: try another network, or ${byHand(path, file)}. ${instead}`.trim(),
  );
}

/** What kept the cache from being written, as a RunError where there is no space, else as a UsageError; what is no system error stays as it is. */
export function explainCacheError(error: unknown, path: string): unknown {
  const code = errnoOf(error);
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  if (full) {
    return new RunError(
      `Could not write ${path}: no space is left on that device (${code}). Free some, or give the cache another place with ONECYCLE_CACHE; what has arrived is kept, and the same command goes on from there.`,
      { cause: error },
    );
  }
  if (code === undefined) return error;
  return new UsageError(
    `Could not write ${path}: ${messageOf(error)}. Give the cache a folder that can be written with ONECYCLE_CACHE.`,
    { cause: error },
  );
}

/** A size for a note: 12 kB, 4.2 MB, 812 MB. */
export function sizeText(bytes: number): string {
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
