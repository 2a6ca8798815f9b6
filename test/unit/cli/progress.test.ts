import { beforeEach, describe, expect, it, vi } from 'vitest';
import { PassThrough } from 'node:stream';
import { openProgress } from '../../../src/cli/progress.js';

// Whatever terminal the tests run in.
beforeEach(() => void vi.stubEnv('TERM', 'xterm'));

/** A terminal of 80 columns, and what was written to it. */
function terminal() {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  const written = () => String(stream.read() ?? '');
  return { view: openProgress(false, stream), written };
}

const DECODE = { type: 'decode', done: 1, total: 2 } as const;

describe('notes on a terminal', () => {
  it('are shown at once where there are no bars', () => {
    const { view, written } = terminal();
    view.say('before any bar');
    expect(written()).toBe('before any bar\n');
    view.stop();
    expect(written()).toBe('');
  });

  it('are shown where the bars stop before their next drawing', () => {
    const { view, written } = terminal();
    view.emit(DECODE);
    view.emit({ type: 'note', text: 'just before the end' });
    view.stop();
    const shown = written();
    expect(shown).toContain('just before the end');
    // Above the bar's last drawing.
    expect(shown.indexOf('just before the end')).toBeLessThan(shown.lastIndexOf('1/2  decoded'));
  });

  it('are shown after the bars have stopped, which the second time leave what was printed alone', () => {
    const { view, written } = terminal();
    view.emit(DECODE);
    view.stop();
    written();
    view.say('the report is there');
    view.stop();
    expect(written()).toBe('the report is there\n');
  });

  it('cannot steer the terminal, nor look like lines of their own', () => {
    for (const isTTY of [true, false]) {
      const stream = Object.assign(new PassThrough(), { isTTY, columns: 80 });
      const view = openProgress(false, stream);
      view.emit({ type: 'note', text: 'skipped a\u001b[2J\nonecycle: forged' });
      view.emit({ type: 'run-end', name: 'b\u0007', status: 'interrupted' });
      view.say('first\nsecond\u009b');
      view.show('\u001b[31mred\u001b[39m\u001b]0;x\u0007\n');
      view.stop();
      const written = String(stream.read());
      expect(written).toContain('skipped a?[2J?onecycle: forged');
      if (!isTTY) expect(written).toContain('b?: interrupted');
      expect(written).toMatch(/first[^]*\nsecond\?/);
      expect(written).toContain('\u001b[31mred\u001b[39m?]0;x?');
      expect(written).not.toMatch(/[\u0007\u009b]|\u001b\]/u);
    }
  });

  it('break at blanks where they are wider than the terminal, and leave what fits as it is', () => {
    const { view, written } = terminal();
    view.say(`  ${'word '.repeat(20)}end\n  a  table  row`);
    const shown = written().split('\n');
    expect(shown.slice(0, 2)).toEqual([`  ${'word '.repeat(15)}`.trimEnd(), 'word word word word word end']);
    expect(shown[2]).toBe('  a  table  row');
  });

  it('wrap, while bars are cut at the edge', () => {
    const { view, written } = terminal();
    view.emit(DECODE);
    view.say('x'.repeat(200));
    view.stop();
    const shown = written();
    const at = shown.indexOf('x'.repeat(200));
    expect(shown.slice(0, at).endsWith('\u001b[?7h')).toBe(true);
    expect(shown.slice(at + 200).startsWith('\u001b[K\n\u001b[?7l')).toBe(true);
  });

  it('go on alone after the bars have stopped: nothing is drawn again', async () => {
    const { view, written } = terminal();
    for (const name of ['a', 'b']) view.emit({ type: 'plan', name, work: { train: 10 } });
    for (const name of ['a', 'b']) view.emit({ type: 'run', name, fromStep: 0, totalSteps: 10, epochs: 1 });
    view.stop();
    written();
    view.emit({ type: 'run-end', name: 'a', status: 'interrupted' });
    view.emit({ type: 'run', name: 'c', fromStep: 0, totalSteps: 10, epochs: 1 });
    await new Promise((done) => setTimeout(done, 500));
    expect(written()).toMatch(/^a +no epoch finished .* interrupted\n$/);
  });
});
