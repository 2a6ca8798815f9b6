import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** Debian's. */
const CHROMIUM = '/usr/bin/chromium';

/** Whether tests in a browser may be left out: a CI, which installs it, is to fail instead. */
export const WITHOUT_BROWSER = !existsSync(CHROMIUM) && process.env['CI'] === undefined;

/** A page in a tab of its own. */
export interface Tab {
  /** Errors of scripts and of the console, and requests that went elsewhere than to the page's own server. */
  readonly troubles: readonly string[];
  /** What an expression, or the promise that it gives, comes to in the page: plain JSON. */
  evaluate(expression: string): Promise<unknown>;
  /** Waits until an expression is true. */
  until(condition: string): Promise<void>;
  /** Chooses a file in the input that a selector finds. */
  choose(selector: string, file: string): Promise<void>;
}

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: never;
  readonly result?: never;
  readonly error?: { readonly message: string };
}

/** Chromium without a window, steered by its DevTools protocol over two pipes (chromedevtools.github.io/devtools-protocol). */
export class Chromium {
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #listeners = new Map<string, (message: Message) => void>();
  #last = 0;

  private constructor(
    private readonly to: Writable,
    from: Readable,
    private readonly exited: Promise<unknown>,
    private readonly profile: string,
  ) {
    let rest = '';
    from.setEncoding('utf8').on('data', (chunk: string) => {
      const messages = (rest + chunk).split('\0');
      rest = messages.pop() ?? '';
      for (const text of messages) this.#take(JSON.parse(text) as Message);
    });
  }

  static async start(...flags: readonly string[]): Promise<Chromium> {
    const profile = await mkdtemp(join(tmpdir(), 'onecycle-chromium-'));
    const child = spawn(
      CHROMIUM,
      [
        ...['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe'],
        ...[`--user-data-dir=${profile}`, ...flags],
      ],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
    );
    const [, , , to, from] = child.stdio;
    return new Chromium(to as Writable, from as Readable, once(child, 'exit'), profile);
  }

  async close(): Promise<void> {
    await this.#send('Browser.close');
    await this.exited;
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Opens a page; answers before it has loaded. */
  async open(url: string): Promise<Tab> {
    const { targetId } = await this.#send<{ targetId: string }>('Target.createTarget', {
      url: 'about:blank',
    });
    const { sessionId } = await this.#send<{ sessionId: string }>('Target.attachToTarget', {
      targetId,
      flatten: true,
    });
    const send = <T>(method: string, params: object = {}) => this.#send<T>(method, params, sessionId);
    const troubles: string[] = [];
    this.#listeners.set(sessionId, (message) => {
      const trouble = troubleIn(message, new URL(url).origin);
      if (trouble !== undefined) troubles.push(trouble);
    });
    for (const domain of ['Page', 'Runtime', 'Network', 'Log', 'DOM']) await send(`${domain}.enable`);
    await send('Page.navigate', { url });

    const run = async (expression: string, returnByValue: boolean) => {
      const { result, exceptionDetails } = await send<{
        result: { value?: unknown; objectId?: string };
        exceptionDetails?: object;
      }>('Runtime.evaluate', { expression, returnByValue, awaitPromise: true, userGesture: true });
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      return result;
    };
    return {
      troubles,
      evaluate: async (expression) => (await run(expression, true)).value,
      until: async (condition) => {
        // While the page is being loaded there may be nothing of it yet.
        while ((await run(condition, true).catch(() => undefined))?.value !== true) await sleep(20);
      },
      choose: async (selector, file) => {
        const { objectId } = await run(`document.querySelector(${JSON.stringify(selector)})`, false);
        await send('DOM.setFileInputFiles', { files: [file], objectId });
      },
    };
  }

  async #send<T>(method: string, params: object = {}, sessionId?: string): Promise<T> {
    const id = ++this.#last;
    const answered = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    this.to.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
    const { error, result } = await answered;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result as T;
  }

  #take(message: Message): void {
    const { id, sessionId } = message;
    if (id === undefined) this.#listeners.get(sessionId ?? '')?.(message);
    else this.#waiting.get(id)?.(message);
  }
}

function troubleIn({ method, params }: Message, origin: string): string | undefined {
  const { request, entry, type } = (params ?? {}) as {
    request?: { url: string };
    entry?: { level: string; text: string };
    type?: string;
  };
  switch (method) {
    case 'Network.requestWillBeSent':
      return request === undefined || /^(data|blob):/.test(request.url) || request.url.startsWith(origin)
        ? undefined
        : request.url;
    case 'Log.entryAdded':
      return entry?.level === 'error' ? entry.text : undefined;
    case 'Runtime.consoleAPICalled':
      return type === 'error' ? JSON.stringify(params) : undefined;
    case 'Runtime.exceptionThrown':
      return JSON.stringify(params);
    default:
      return undefined;
  }
}
