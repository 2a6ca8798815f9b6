import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

/** A file on the server, and what is wrong with how it is served. */
export interface Served {
  readonly body: Buffer;
  readonly etag?: string;
  readonly lastModified?: string;
  /** The connection is cut after so many bytes of an answer, one number an answer; later ones are whole. */
  readonly cuts?: readonly number[];
  /** What Content-Length says; null for an answer without one. */
  readonly length?: number | null;
  /** Answers with all of it whatever part is asked for. */
  readonly ignoresRange?: boolean;
  /** Answered instead of the file, one an answer; then the file. */
  readonly statuses?: readonly number[];
  readonly location?: string;
  /** Nothing more is sent after so many bytes, and the connection stays open. */
  readonly stallsAfter?: number;
}

/** A real HTTP server on the loopback address, as untrustworthy as its files say. */
export interface FileServer {
  readonly address: string;
  /** Of every request: its path and the part of the file that it asked for. */
  readonly asked: {
    readonly path: string;
    readonly range: string | undefined;
    readonly ifRange: string | undefined;
  }[];
  readonly files: Map<string, Served>;
  /**
   * Bytes of the file that the client says it has: then a connection is cut as soon as what was sent has come, and no pace of the
   * machine decides what gets lost. Undefined where nobody says so.
   */
  arrived?: number;
}

/** Serves files until the test is over; they may be changed meanwhile. */
export async function serveFiles(files: Readonly<Record<string, Served>>): Promise<FileServer> {
  const known = new Map(Object.entries(files));
  const asked: FileServer['asked'] = [];
  const counts = new Map<string, number>();
  const served: FileServer = { address: '', asked, files: known };
  const server = createServer((request, response) => {
    const path = request.url ?? '/';
    asked.push({
      path,
      range: request.headers.range,
      ifRange: request.headers['if-range'] as string | undefined,
    });
    const file = known.get(path);
    const count = counts.get(path) ?? 0;
    counts.set(path, count + 1);
    if (file === undefined) response.writeHead(404).end('not here');
    else answer(file, count, request, response, served);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return Object.assign(served, { address: `http://127.0.0.1:${port}` });
}

function answer(
  file: Served,
  count: number,
  request: IncomingMessage,
  response: ServerResponse,
  client: Pick<FileServer, 'arrived'>,
): void {
  const status = file.statuses?.[count];
  if (status !== undefined) {
    response.writeHead(status, file.location === undefined ? {} : { location: file.location }).end();
    return;
  }
  const { body, etag, lastModified } = file;
  const known = [etag, lastModified].filter((value) => value !== undefined);
  const asked = /^bytes=(\d+)-$/u.exec(request.headers.range ?? '')?.[1];
  const condition = request.headers['if-range'] as string | undefined;
  const honoured =
    asked !== undefined &&
    file.ignoresRange !== true &&
    (condition === undefined || known.includes(condition));
  const start = honoured ? Number(asked) : 0;
  if (start >= body.length) {
    response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end();
    return;
  }
  const rest = body.subarray(start);
  const length = file.length === undefined ? rest.length : file.length;
  response.writeHead(honoured ? 206 : 200, {
    ...(length !== null && { 'content-length': length }),
    ...(honoured && { 'content-range': `bytes ${start}-${body.length - 1}/${body.length}` }),
    ...(etag !== undefined && { etag }),
    ...(lastModified !== undefined && { 'last-modified': lastModified }),
  });
  const cut = file.cuts?.[count] ?? file.stallsAfter;
  if (cut === undefined) {
    if (length === null || length === rest.length) response.end(rest);
    else response.write(rest, () => setTimeout(() => response.destroy(), 20));
    return;
  }
  response.write(rest.subarray(0, cut), () => {
    if (file.cuts !== undefined) void cutOnceArrived(start + cut);
  });

  async function cutOnceArrived(bytes: number): Promise<void> {
    do await sleep(20);
    while (client.arrived !== undefined && client.arrived < bytes && !response.destroyed);
    response.destroy();
  }
}
