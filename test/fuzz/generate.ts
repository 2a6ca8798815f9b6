import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type CommandName, flagName, OPTIONS, type OptionSpec } from '../../src/config/options.js';
import { damagedFiles } from '../unit/data/damage.js';
import { realImages } from '../unit/data/real-images.js';

type Random = () => number;

const images = await realImages();

function pick<Item>(items: readonly Item[], random: Random): Item {
  return items[Math.floor(random() * items.length)] as Item;
}

const NAMES = [
  ...[
    'train',
    'val',
    'valid',
    'validation',
    'test',
    'Training',
    'Testing',
    'training_set',
    'test_set',
    'images',
    'all',
  ],
  ...[
    'ants',
    'bees',
    'Ants ',
    'größe',
    '蟻',
    '🐝 bees',
    '__proto__',
    'constructor',
    'toString',
    '..data',
    '.hidden',
    '-rf',
    '--lr',
  ],
  ...[
    'a,b',
    'a=b',
    '$(id)',
    '`id`',
    "it's",
    '"x"',
    'n01440764',
    '0',
    '00',
    'con',
    'a\u001b]0;x\u0007b',
    'line\nbreak',
    '\u202eevil',
  ],
  ...[
    '@eaDir',
    '#recycle',
    '$RECYCLE.BIN',
    'lost+found',
    '__MACOSX',
    '.git',
    '.ipynb_checkpoints',
    'x'.repeat(200),
  ],
];
const SIDECARS = [
  '.DS_Store',
  'Thumbs.db',
  'labels.csv',
  'data.yaml',
  'README.roboflow.txt',
  '1.jpg:Zone.Identifier',
  '._1.jpg',
  '_annotations.coco.json',
];

/** A data folder, mostly wrong: names, depths, links and damage by chance. @returns the path to give to --data */
export function randomFolder(root: string, elsewhere: string, random: Random): string {
  mkdirSync(root, { recursive: true });
  const names = (count: number) => Array.from({ length: count }, () => pick(NAMES, random));
  const sane = random() < 0.5;
  const parts = sane
    ? pick([['train', 'val'], [''], ['Training', 'Testing'], ['train', 'valid', 'test']], random)
    : names(3);
  const classes = sane && random() < 0.6 ? ['ants', 'bees'] : names(2 + Math.floor(random() * 3));
  let number = 0;
  for (const part of parts) {
    for (const name of classes) {
      const folder = join(root, part, name, random() < 0.1 ? 'deeper' : '');
      mkdirSync(folder, { recursive: true });
      const count = Math.floor(random() * 12) + (sane ? 8 : 0);
      for (const file of damagedFiles(images, random, count)) {
        const bytes = random() < 0.7 ? pick(images, random).bytes : file.bytes;
        const shown =
          random() < 0.05 ? `${pick(NAMES, random).slice(0, 40).replaceAll('/', '')}.png` : file.name;
        writeFileSync(join(folder, `${number++}-${shown}`), bytes);
      }
      if (random() < 0.2) writeFileSync(join(folder, pick(SIDECARS, random)), 'x');
      if (random() < 0.05) makePipe(join(folder, `pipe-${number++}.png`));
      if (random() < 0.1) symlinkSync(elsewhere, join(folder, `link-${number++}`));
      if (random() < 0.05) symlinkSync('..', join(folder, `up-${number++}`));
    }
  }
  return random() < 0.1
    ? `${root}/`
    : random() < 0.05
      ? dirname(root)
      : random() < 0.05
        ? `${root}/none`
        : root;
}

/** A named pipe into which nobody writes: who opens it to read waits for ever. */
export function makePipe(path: string): void {
  execFileSync('mkfifo', [path]);
}

const WORDS = [
  ...[
    '0',
    '-1',
    '1e400',
    'NaN',
    'Infinity',
    '-0',
    '5e-324',
    '1e308',
    '0x10',
    '1_000',
    '1,5',
    '0,001',
    '1e-3,',
    '',
    ' ',
    '3 ',
    '1.5',
  ],
  ...[
    'auto',
    'from:',
    'from:/nowhere',
    'fixed',
    '1cycle',
    'fixed,1cycle',
    '1cycle@',
    '1cycle@9007199254740993',
    '__proto__',
    'none',
  ],
  ...[
    'fixed=1e-3,1cycle=5e-3',
    '=',
    'a=b=c',
    '__proto__=1',
    '1/3,2/3',
    '1/0',
    'last:1',
    'last:999999',
    'head',
    'all',
    '/dev/null',
    '/proc/self',
  ],
  ...[
    '.',
    '..',
    '/',
    '~',
    '~/x',
    '--',
    '-',
    '-h',
    '--help',
    '--version',
    'train',
    '\u001b[31mred',
    'a\nb',
    'é',
    '\ud83d\ude00',
    'x'.repeat(3000),
  ],
];

/** A word as people, shells and attackers give it. */
export function randomText(random: Random): string {
  if (random() < 0.3)
    return `--${pick([...Object.keys(OPTIONS), 'nonsense'], random).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  return pick(WORDS, random);
}

/** Options that would make a run long, lead elsewhere, or that the caller sets. */
const NOT_DRAWN = new Set([
  'epochs',
  'seeds',
  'out',
  'data',
  'config',
  'resume',
  'extendTo',
  'report',
  'imageSize',
  'steps',
  'workers',
  'jobs',
  'trainable',
  'views',
  'debug',
]);

/** One to three options with values, half of them valid. */
export function randomOptions(command: CommandName, random: Random): string[] {
  const known = (Object.entries(OPTIONS) as [string, OptionSpec][]).filter(
    ([name, { commands }]) => commands.includes(command) && !NOT_DRAWN.has(name),
  );
  return Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
    const [name, spec] = pick(known, random);
    if (spec.type === 'flag') return [name === 'color' ? '--no-color' : flagName(name)];
    const value = random() < 0.5 ? pick(WORDS, random) : validValue(spec, random);
    return random() < 0.5 ? [flagName(name), value] : [`${flagName(name)}=${value}`];
  }).flat();
}

function validValue(spec: OptionSpec, random: Random): string {
  switch (spec.type) {
    case 'choice':
      return pick(spec.choices, random);
    case 'integer':
      return String(Math.min(spec.max ?? 7, spec.min + Math.floor(random() * 7)));
    case 'number':
      return String(pick([5e-324, 1e-7, 0.01, 0.5, 0.99, 3, 1e6, 1e300], random));
    case 'rate':
      return pick(['1e-3', '5e-324', '1e300', 'fixed=1e-3,1cycle=2e-3', 'auto'], random);
    case 'pair':
      return pick(['0.95,0.85', '0.9,0.9', '0,0', '0.1,5'], random);
    case 'shares':
      return pick(['1/3,2/3', '0.5', '0.1,0.2,0.3'], random);
    case 'texts':
      return pick(['fixed,1cycle', '1cycle,1cycle@100', 'fixed:cosine,1cycle:linear', 'fixed'], random);
    default:
      return pick(WORDS, random);
  }
}

const JUNK: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1e308,
  5e-324,
  0.5,
  '',
  'x',
  '\u001b[2J',
  'a\0b',
  '1cycle',
  [],
  {},
  [1, [2]],
  { a: 1 },
  'y'.repeat(5000),
  '9'.repeat(400),
];

/** A configuration file: that of a run with some values changed, or no configuration at all. */
export function randomConfig(recorded: string, random: Random): string | Buffer {
  const text = readFileSync(recorded, 'utf8');
  const how = random();
  if (how < 0.1)
    return pick(
      [
        '',
        '{',
        '[]',
        'null',
        '7',
        '"x"',
        'epochs: 3\nlr: 0.1\n',
        '{"epochs": 1,}',
        '// no\n{}',
        '\uFEFF{"seed": 3}',
      ],
      random,
    );
  if (how < 0.15) return `{"lr": ${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
  if (how < 0.2) return `{"__proto__": {"epochs": 9}, "constructor": 1}`;
  if (how < 0.35) return damagedBytes(Buffer.from(text), random);
  const config = JSON.parse(text) as Record<string, unknown>;
  for (let n = Math.floor(random() * 3); n >= 0; n--) {
    const key = pick([...Object.keys(config), 'report', 'resume', 'out', 'arm', 'policies', 'jobs'], random);
    // A long run finds nothing that a short one does not.
    if (!['epochs', 'seeds', 'steps', 'imageSize', 'views'].includes(key)) config[key] = pick(JUNK, random);
  }
  return JSON.stringify(config);
}

/** A file with something done to its bytes, its lines or its values. */
export function damagedBytes(bytes: Buffer, random: Random): Buffer {
  const text = bytes.toString('utf8');
  const lines = text.split('\n');
  const at = Math.floor(random() * bytes.length);
  const change = pick(
    [
      () => Buffer.alloc(0),
      () => bytes.subarray(0, at),
      () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + Math.floor(random() * 50))]),
      () => Buffer.concat([bytes, bytes]),
      () => {
        const copy = Buffer.from(bytes);
        for (let n = 0; n < 1 + random() * 8; n++)
          copy[Math.floor(random() * copy.length)] = Math.floor(random() * 256);
        return copy;
      },
      () => Buffer.from(lines.toSpliced(Math.floor(random() * lines.length), 1).join('\n')),
      () =>
        Buffer.from(lines.toSpliced(Math.floor(random() * lines.length), 0, pick(lines, random)).join('\n')),
      () => Buffer.from(lines.toReversed().join('\n')),
      () => Buffer.from(replacedNumber(text, random)),
      () => Buffer.from(replacedNumber(text, random)),
      () => Buffer.from(replacedText(text, random)),
      () => Buffer.from(replacedText(text, random)),
      () => Buffer.from('['.repeat(20_000) + ']'.repeat(20_000)),
    ],
    random,
  );
  return change();
}

/** One of the numbers of a JSON text, with another in its place. */
function replacedNumber(text: string, random: Random): string {
  const found = [...text.matchAll(/(?<=[:[,]\s*)-?\d[\d.e+-]*/g)];
  const hit = found[Math.floor(random() * found.length)];
  const value = pick(
    ['0', '-1', '1e300', '1e308', '5e-324', '1.5', '9007199254740993', '1e999', 'null', '"x"', '[]', '7'],
    random,
  );
  return hit === undefined ? text : text.slice(0, hit.index) + value + text.slice(hit.index + hit[0].length);
}

/** One of the texts of a JSON text, keys included, with another in its place. */
function replacedText(text: string, random: Random): string {
  const found = [...text.matchAll(/"(?:[^"\\]|\\.)*"/g)];
  const hit = found[Math.floor(random() * found.length)];
  const value = JSON.stringify(
    pick(
      [
        '',
        '__proto__',
        'constructor',
        '\u001b]0;x\u0007',
        '../../sentinel/secret.txt',
        '/etc/passwd',
        'z'.repeat(10_000),
        '\ud800',
        '1cycle',
        'a\nb',
      ],
      random,
    ),
  );
  return hit === undefined ? text : text.slice(0, hit.index) + value + text.slice(hit.index + hit[0].length);
}
