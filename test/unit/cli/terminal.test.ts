import { PassThrough } from 'node:stream';
import { afterEach, expect, test, vi } from 'vitest';
import { openProgress } from '../../../src/cli/progress.js';
import { layout } from '../../../src/cli/terminal.js';

afterEach(() => vi.unstubAllEnvs());

/** A stream, and the environment of the program that writes to it. */
function open(isTTY: boolean, environment: Readonly<Record<string, string>>): NodeJS.WriteStream {
  for (const name of ['NO_COLOR', 'FORCE_COLOR']) vi.stubEnv(name, undefined);
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  return Object.assign(new PassThrough(), { isTTY, columns: 80 }) as unknown as NodeJS.WriteStream;
}

test.each([
  [true, { TERM: 'xterm' }, true],
  [true, { TERM: 'dumb' }, false],
  [false, { TERM: 'xterm' }, false],
  [true, { TERM: 'xterm', NO_COLOR: '1' }, false],
  // What is asked for by name comes before what is guessed.
  [true, { TERM: 'dumb', FORCE_COLOR: '1' }, true],
])('on a terminal: %s, with %j, colours are %s', (isTTY, environment, expected) => {
  expect(layout({ color: true }, open(isTTY, environment)).colour).toBe(expected);
  expect(layout({ color: false }, open(isTTY, environment)).colour).toBe(false);
});

test('a terminal without escape codes gets progress as lines', () => {
  const shown = (TERM: string) => {
    const stream = open(true, { TERM });
    const view = openProgress(false, stream);
    view.emit({ type: 'decode', done: 1, total: 2 });
    view.emit({ type: 'note', text: 'a note' });
    view.stop();
    return String(stream.read());
  };
  expect(shown('dumb')).toBe('a note\n');
  expect(shown('xterm')).toContain('\u001b[');
});
