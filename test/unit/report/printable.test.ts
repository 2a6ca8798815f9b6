import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printable, printableJson, printableLines, printableReport } from '../../../src/printable.js';

const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}]/u;
const anything = fc.string({ unit: 'binary', maxLength: 60 });

test('whatever a text holds, what is shown steers no terminal', () => {
  fc.assert(
    fc.property(anything, (text) => {
      const without = (shown: string) => shown.replace(/\u200d|\n/gu, '');
      expect(printable(text)).not.toMatch(/\n/u);
      for (const shown of [printable(text), printableLines(text), printableJson({ [text]: text })]) {
        expect(without(shown)).not.toMatch(CONTROL);
      }
    }),
  );
});

test('a document reads back as it was', () => {
  const document = fc.dictionary(anything, anything);
  fc.assert(
    fc.property(document, (given) => {
      expect(JSON.parse(printableJson(given))).toEqual(JSON.parse(JSON.stringify(given)));
    }),
  );
  expect(printableJson({ a: '\u0085\u202e\u{e0001}' })).toBe('{\n  "a": "\\u0085\\u202e\\udb40\\udc01"\n}');
});

test('a report keeps its colours and lines, and nothing else', () => {
  expect(printableReport('\u001b[1mbold\u001b[22m\n\u001b[2J\u001b]0;title\u0007\r👩‍🔬')).toBe(
    '\u001b[1mbold\u001b[22m\n?[2J?]0;title??👩‍🔬',
  );
});
