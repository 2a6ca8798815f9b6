import fc from 'fast-check';
import { expect, test } from 'vitest';
import { validationBox } from '../../../src/data/images/crop.js';
import { PAGE, preprocessing } from '../../../src/export/model-files.js';

const rules = preprocessing({ imageSize: 96, classNames: ['a', 'b'] });

test('the sizes are those of decoding', () => {
  expect(rules.shrink.shortSide).toBe(120);
  expect([rules.input.height, rules.resize.width]).toEqual([96, 96]);
  expect(rules.classes).toEqual(['a', 'b']);
  // A byte becomes a value in [-1, 1].
  expect([0, 255].map((byte) => byte * rules.scale.multiply + rules.scale.add)).toEqual([-1, 1]);
});

test('the rules cut out the square that validation sees, of whatever was decoded', () => {
  const side = fc.integer({ min: 1, max: 500 });
  fc.assert(
    fc.property(side, side, fc.boolean(), (height, width, downscaled) => {
      const short = Math.min(height, width);
      const { shrunk, notShrunk } = rules.crop.shareOfShortSide;
      const square = Math.max(1, Math.round((downscaled ? shrunk : notShrunk) * short));
      const box = validationBox({ height, width, downscaled });
      const pixels = (from: number, to: number, length: number) =>
        [from, to].map((share) => Math.round(share * (length - 1)));
      const expected = (length: number) => {
        const begin = Math.floor((length - square) / 2);
        return [begin, begin + square - 1];
      };
      expect(pixels(box.y1, box.y2, height)).toEqual(expected(height));
      expect(pixels(box.x1, box.x2, width)).toEqual(expected(width));
    }),
  );
});

test('the page is one small file that names nothing outside its folder', () => {
  expect(PAGE.length).toBeLessThan(20_000);
  expect(PAGE).not.toMatch(/https?:\/\//);
  expect(PAGE.match(/<\/script>/g)).toHaveLength(1);
  expect(PAGE).toMatch(/^<!doctype html>\n<html lang="en">/);
});
