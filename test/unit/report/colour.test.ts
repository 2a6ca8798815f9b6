import { describe, expect, test } from 'vitest';
import { CODES } from '../../../src/report/text/layout.js';

/** Ground, and the sixteen colours from 30 to 37 and from 90 to 97, as the terminals ship them. */
interface Theme {
  readonly ground: string;
  readonly colours: string;
}

const XTERM =
  '000000 cd0000 00cd00 cdcd00 0000ee cd00cd 00cdcd e5e5e5 7f7f7f ff0000 00ff00 ffff00 5c5cff ff00ff 00ffff ffffff';
const MACOS =
  '000000 990000 00a600 999900 0000b2 b200b2 00a6b2 bfbfbf 666666 e50000 00d900 e5e500 0000ff e500e5 00e5e5 e5e5e5';
const CAMPBELL =
  '0c0c0c c50f1f 13a10e c19c00 0037da 881798 3a96dd cccccc 767676 e74856 16c60c f9f1a5 3b78ff b4009e 61d6d6 f2f2f2';
const ONE_HALF_LIGHT =
  '383a42 e45649 50a14f c18301 0184bc a626a4 0997b3 fafafa 4f525d df6c75 98c379 e4c07a 61afef c577dd 56b5c1 ffffff';
const ONE_HALF_DARK =
  '282c34 e06c75 98c379 e5c07b 61afef c678dd 56b6c2 dcdfe4 5a6374 e06c75 98c379 e5c07b 61afef c678dd 56b6c2 dcdfe4';
const GNOME =
  '171421 c01c28 26a269 a2734c 12488b a347ba 2aa1b3 d0cfcc 5e5c64 f66151 33d17a e9ad0c 2a7bde c061cb 33c7de ffffff';
const SOLARIZED =
  '073642 dc322f 859900 b58900 268bd2 d33682 2aa198 eee8d5 002b36 cb4b16 586e75 657b83 839496 6c71c4 93a1a1 fdf6e3';

const THEMES: Readonly<Record<string, Theme>> = {
  'xterm, black on white': { ground: 'ffffff', colours: XTERM },
  'xterm, white on black': { ground: '000000', colours: XTERM },
  'macOS Terminal, Basic': { ground: 'ffffff', colours: MACOS },
  'macOS Terminal, Pro': { ground: '000000', colours: MACOS },
  'macOS Terminal, Basic in dark mode': { ground: '1e1e1e', colours: MACOS },
  'Windows Terminal, Campbell': { ground: '0c0c0c', colours: CAMPBELL },
  'Windows Terminal, One Half Light': { ground: 'fafafa', colours: ONE_HALF_LIGHT },
  'Windows Terminal, One Half Dark': { ground: '282c34', colours: ONE_HALF_DARK },
  'GNOME Terminal, light': { ground: 'ffffff', colours: GNOME },
  'GNOME Terminal, dark': { ground: '171421', colours: GNOME },
  'GNOME Console, dark': { ground: '1e1e1e', colours: GNOME },
  'Solarized Light': { ground: 'fdf6e3', colours: SOLARIZED },
  'Solarized Dark': { ground: '002b36', colours: SOLARIZED },
};

/** The colour that a code gives in a theme: of its sixteen, of the cube of 6 x 6 x 6, or of the 24 greys. */
function shown(code: string, { colours }: Theme): string {
  const [, cube] = /^38;5;(\d+)$/u.exec(code) ?? [];
  if (cube === undefined) {
    const sgr = Number(code);
    return colours.split(' ')[sgr >= 90 ? sgr - 90 + 8 : sgr - 30]!;
  }
  const index = Number(cube) - 16;
  const level = (part: number) => (part === 0 ? 0 : 55 + 40 * part);
  const rgb =
    index < 216
      ? [Math.floor(index / 36), Math.floor(index / 6) % 6, index % 6].map(level)
      : Array<number>(3).fill(8 + 10 * (index - 216));
  return rgb.map((part) => part.toString(16).padStart(2, '0')).join('');
}

/** Contrast of two colours as the Web Content Accessibility Guidelines 2.1 define it. */
function contrast(one: string, other: string): number {
  const luminance = (colour: string) => {
    const [red = 0, green = 0, blue = 0] = [0, 2, 4].map((at) => {
      const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [low = 0, high = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

test('contrast is as in the guidelines, and colours of the cube are those of xterm', () => {
  expect(contrast('000000', 'ffffff')).toBe(21);
  // The lightest grey that may carry text on white by level AA.
  expect(contrast('767676', 'ffffff')).toBeCloseTo(4.54, 2);
  const theme = THEMES['Solarized Dark']!;
  expect([31, 196, 244].map((index) => shown(`38;5;${index}`, theme))).toEqual([
    '0087af',
    'ff0000',
    '808080',
  ]);
  // Bright black, which many programs take for dim text, is the ground itself.
  expect(contrast(shown('90', theme), theme.ground)).toBe(1);
});

const used = Object.entries(CODES).filter(([name]) => name !== 'bold');

describe.each(Object.entries(THEMES))('%s', (_, theme) => {
  test.each(used)('%s has a contrast of at least 3', (_name, [begin]) => {
    expect(contrast(shown(begin, theme), theme.ground)).toBeGreaterThanOrEqual(3);
  });
});

test('colours differ from each other, and bold is no colour', () => {
  expect(new Set(used.map(([, [begin]]) => begin)).size).toBe(used.length);
  expect(CODES.bold).toEqual(['1', '22']);
});
