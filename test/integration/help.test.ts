import type { Command } from 'commander';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { buildProgram } from '../../src/cli/program.js';
import { checkSettings, readFlag } from '../../src/config/check-settings.js';
import { flagName, OPTION_GROUPS, OPTIONS, type OptionSpec } from '../../src/config/options.js';
import { helpTexts } from '../../src/cli/help-texts.js';
import { helpWidth } from '../../src/cli/terminal.js';
import { displayWidth } from '../../src/report/text/width.js';
import { unpackRuns } from './recorded-fixture.js';
import { ROOT, runCli, scratchFolder } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

/** A module for --import that writes the address of every module that is resolved into `file`. */
function recorder(file: string): string {
  const hooks =
    `import { appendFileSync } from 'node:fs';` +
    `export async function resolve(specifier, context, next) {` +
    `  const found = await next(specifier, context);` +
    `  appendFileSync(${JSON.stringify(file)}, found.url + '\\n');` +
    `  return found;` +
    `}`;
  const script = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;
  return script(`import { register } from 'node:module'; register(${JSON.stringify(script(hooks))});`);
}

/** Runs the program and tells which modules it loaded. */
async function modulesOf(args: readonly string[]) {
  const file = join(await scratchFolder(), 'modules.txt');
  const result = await runCli(args, { env: { NODE_OPTIONS: `--import=${recorder(file)}` } });
  return { ...result, modules: readFileSync(file, 'utf8') };
}

/** What a built module loads with it: paths of ours, names of packages. */
function closureOf(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export)\s[^;]*?from\s*'([^']+)'/gmsu);
  for (const [, name = ''] of imports) {
    if (name.startsWith('.')) closureOf(resolve(dirname(file), name), found);
    else if (!name.startsWith('node:')) found.add(name);
  }
  return found;
}

const COMMANDS = ['find-lr', 'train', 'compare', 'predict', 'export', 'data check'] as const;
/** Commands whose examples name a run or a folder without an option. */
const WITH_OPERANDS: readonly string[] = ['predict', 'export', 'data check'];
const HEAVY = [
  '@tensorflow',
  'zod',
  'sharp',
  'observablehq',
  'xmldom',
  'cli-progress',
  '/dist/engine/',
  '/dist/report/',
];

describe('nothing heavy is loaded', () => {
  test.each(['--help', '-h', 'train --help', 'compare -h', 'data check --help', 'completion --help'])(
    'by onecycle %s, but a text that the build has written',
    async (line) => {
      const { code, modules, stdout, stderr } = await modulesOf(line.split(' '));
      expect([code, stderr]).toEqual([0, '']);
      expect(modules).not.toMatch(/node_modules|\/dist\//u);
      // The same as the program would say.
      const said = await execa(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...line.split(' ')]);
      expect(stdout).toBe(said.stdout);
    },
  );

  test.each([
    ['--version', 0],
    ['help', 0],
    ['help train', 0],
    ['train --no-such-option', 2],
    ['', 2],
  ])('by onecycle %s', async (line, expected) => {
    const { code, modules, stderr } = await modulesOf(line.split(' ').filter(Boolean));
    expect(code, stderr).toBe(expected);
    // The recorder works.
    expect(modules).toMatch(/node_modules\/commander\//);
    for (const name of HEAVY) expect(modules).not.toContain(name);
  });

  test('but what sets a page of the manual', async () => {
    const { code, modules } = await modulesOf(['help', 'lr-curve']);
    expect(code).toBe(0);
    expect(modules).toContain('/dist/report/pages/manual.js');
    for (const name of HEAVY.filter((part) => part !== '/dist/report/')) expect(modules).not.toContain(name);
  });

  test('but by a command, or this test could not fail', async () => {
    const { code, modules } = await modulesOf(['train', '--data', 'no/such/folder', '--backend', 'cpu']);
    expect(code).toBe(2);
    for (const name of ['@tensorflow', 'zod', 'sharp']) expect(modules).toContain(name);
  });

  test('by a comparison of recorded runs neither what decodes, nor what trains', async () => {
    const home = await unpackRuns();
    const { code, modules, stderr } = await modulesOf(['compare', join(home, 'runs')]);
    expect(code, stderr).toBe(0);
    expect(modules).toContain('/dist/report/pages/compare.js');
    for (const name of [
      '@tensorflow',
      'zod',
      'sharp',
      'csv-parse',
      '/dist/model/',
      '/dist/engine/wasm/engine.js',
      '/dist/workbench/features.js',
    ])
      expect(modules, name).not.toContain(name);
  });

  test('by a thread of a comparison no decoder, nor what reads weights', () => {
    const loaded = [...closureOf(join(ROOT, 'dist/compare/worker.js'))];
    expect(loaded).toContain(join(ROOT, 'dist/engine/wasm/engine.js'));
    expect(
      loaded.filter((name) => /zod|sharp|csv-parse|dist\/(model\/load|data\/folder)\//u.test(name)),
    ).toEqual([]);
    // The same way finds them where they are.
    expect([...closureOf(join(ROOT, 'dist/compare/compare.js'))]).toEqual(
      expect.arrayContaining(['zod', 'sharp']),
    );
  });

  test('on the processor no TensorFlow.js, also for the whole of a training', async () => {
    const dir = await scratchFolder();
    await tinyImages(dir);
    const run = ['train', '--data', dir, '--out', join(dir, 'runs'), '--backend', 'wasm', '--workers', '2'];
    const tiny = ['--trainable', 'last:1', '--image-size', '32', '--epochs', '2', '--batch-size', '12'];
    const { code, modules, stderr } = await modulesOf([...run, ...tiny]);
    expect(code, stderr).toBe(0);
    expect(modules).toContain('/dist/engine/wasm/');
    expect(modules).not.toContain('@tensorflow');
  });
});

describe('help', () => {
  test.each(['onecycle --help', 'data-check --help', 'no-such --help', '../x --help', 'train --lr --help'])(
    'is what the program says where there is no such command: %s',
    async (line) => {
      const words = line.split(' ');
      const [fast, said] = [
        await runCli(words),
        await execa(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...words], { reject: false }),
      ];
      expect(fast).toEqual({ code: said.exitCode, stdout: said.stdout, stderr: said.stderr });
    },
  );

  test('is set for the next smaller of some widths, and for all columns where there are few', () => {
    const columns = [40, 60, 79, 80, 99, 100, 119, 120, 300];
    const widths = columns.map((there) => helpWidth({ isTTY: true, columns: there }));
    expect(widths).toEqual([40, 60, 60, 80, 80, 100, 100, 120, 120]);
    expect(helpWidth({ isTTY: false, columns: 200 })).toBe(80);
    // Some terminals do not say how wide they are.
    expect(helpWidth({ isTTY: true, columns: 0 })).toBe(80);
  });

  test.each([40, 41, 48, 59, 60, 70, 79, 80, 95])('fits %i columns, and lacks no word there', (width) => {
    const words = (text = '') => text.replaceAll('\\\n', '').split(/\s+/u);
    const wide = helpTexts([300]);
    const texts = Object.entries(helpTexts([width]));
    expect(texts.length).toBe(Object.keys(wide).length);
    for (const [name, text] of texts) {
      for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(width);
      expect(words(text)).toEqual(words(wide[name.replace(`.${width}.`, '.300.')]));
    }
  });

  test('has what a flag does below the flag where too little room is beside it', () => {
    const [narrow, wide] = [helpTexts([40]), helpTexts([80])].map((texts) => Object.values(texts).join('\n'));
    expect(narrow).toContain(
      '\n  --class-depth <N>\n      how many folders name a class: 2\n      where animals/cats is one [1]\n',
    );
    expect(wide).toContain(
      '\n  --class-depth <N>           how many folders name a class: 2 where\n                              animals/cats is one [1]\n',
    );
    expect(narrow).toContain(
      '\n  onecycle find-lr --data photos \\\n  --seeds 5 --epochs 10\n      your own images: the rate for 10\n',
    );
    expect(narrow).toContain('Usage: onecycle predict [options] <run>\n       [images...]\n');
  });

  test.each(['fetch', 'trian', 'data pul'])('of no command is the error about it: %s', async (line) => {
    const words = line.split(' ');
    const asked = await runCli([...words, '--help']);
    expect(asked.code).toBe(2);
    expect(asked.stderr).toContain(`unknown command '${words.at(-1)}'`);
    expect(asked).toEqual(await runCli(words));
  });

  test.each(COMMANDS)('of %s lists its options, and theirs alone', async (name) => {
    const { code, stdout, stderr } = await runCli([...name.split(' '), '--help']);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    const specs: [string, OptionSpec][] = Object.entries(OPTIONS);
    for (const [option, { commands }] of specs) {
      const flag = option === 'color' ? '--no-color' : flagName(option);
      expect(new RegExp(`^  ${flag}( |$)`, 'm').test(stdout), flag).toBe(commands.includes(name));
    }
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    if (name === 'train' || name === 'compare')
      expect(stdout).toMatch(/Learning rates without --lr.*\n.*fixed \S+ +1cycle \S+/s);
  });

  test.each(COMMANDS)('of %s has them under their headings', async (name) => {
    const { stdout } = await runCli([...name.split(' '), '--help']);
    const headings = stdout.split('\n').filter((line) => /^[A-Z][a-z ]+:$/.test(line));
    const groups: [string, Record<string, OptionSpec>][] = Object.entries(OPTION_GROUPS);
    const own = groups.filter(([, options]) =>
      Object.values(options).some(({ commands }) => commands.includes(name)),
    );
    const arguments_ = ['compare', ...WITH_OPERANDS].includes(name) ? ['Arguments:'] : [];
    expect(headings).toEqual([...arguments_, ...own.map(([group]) => `${group}:`), 'Examples:']);
    for (const [group, options] of own) {
      const section = stdout.split(`\n${group}:\n`)[1]?.split('\n\n')[0] ?? '';
      const listed = [...section.matchAll(/^  (--[a-z-]+)/gm)].map(([, flag]) => flag);
      const expected = Object.entries(options).flatMap(([option, { commands }]) =>
        commands.includes(name) ? [option === 'color' ? '--no-color' : flagName(option)] : [],
      );
      expect(listed).toEqual(expected);
    }
  });

  test.each(COMMANDS)('of %s ends with three examples, which parse', async (name) => {
    const { stdout } = await runCli([...name.split(' '), '--help']);
    const lines = (stdout.split('\nExamples:\n')[1] ?? '').split('\n');
    // A command line, and what it is for.
    expect(lines).toHaveLength(6);
    const words = name.split(' ');
    const command = words.reduce<Command>(
      (outer, word) => outer.commands.find((known) => known.name() === word)!,
      buildProgram(),
    );
    for (const line of lines.filter((_, i) => i % 2 === 0)) {
      const [program, ...typed] = line.trim().split(' ');
      expect([program, ...typed.slice(0, words.length)]).toEqual(['onecycle', ...words]);
      const args = typed.slice(words.length);
      const { operands, unknown } = command.parseOptions(args);
      expect(unknown).toEqual([]);
      expect(operands.length > 0).toBe(WITH_OPERANDS.includes(name));
      const flags = Object.entries(command.opts<Record<string, string | boolean>>());
      const settings = flags.map(([key, value]) => [
        key,
        value === true ? true : readFlag(key, String(value)),
      ]);
      expect(() => checkSettings(Object.fromEntries(settings))).not.toThrow();
    }
    for (const line of lines.filter((_, i) => i % 2 === 1)) expect(line).toMatch(/^ {6}\S.{20,}/);
  });

  test('of the program names its commands', async () => {
    const { code, stdout, stderr } = await runCli(['--help']);
    expect([code, stderr]).toEqual([0, '']);
    for (const name of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name.split(' ')[0]} `, 'm'));
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('alone is the same as --help; of a command it is that command’s', async () => {
    expect(await runCli(['help'])).toEqual(await runCli(['--help']));
    expect(await runCli(['help', 'train'])).toEqual(await runCli(['train', '--help']));
  });

  test('is shown on stderr where no command is given: wrong usage, exit code 2', async () => {
    const { code, stdout, stderr } = await runCli([]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Usage: onecycle/);
  });

  test("the version is the package's", async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    expect(await runCli(['--version'])).toEqual({ code: 0, stdout: version, stderr: '' });
  });
});

describe('the manual', () => {
  const pages = readdirSync(join(ROOT, 'src', 'cli', 'manual')).map((name) => name.replace(/\.md$/, ''));

  test('has its pages in the list', async () => {
    const { stdout } = await runCli(['help']);
    const list = stdout.split('Pages of the manual (onecycle help <topic>):\n')[1] ?? '';
    expect([...list.matchAll(/^  (\S+)/gm)].map(([, topic]) => topic).sort()).toEqual(pages.sort());
    expect(pages).toContain('lr-curve');
  });

  test.each(pages)('%s is a page of its own, and fits 80 columns', async (topic) => {
    const { code, stdout, stderr } = await runCli(['help', topic]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^.+\n═+\n/);
    expect(stdout.split('\n').length).toBeGreaterThan(30);
    for (const line of stdout.split('\n')) expect(displayWidth(line), line).toBeLessThanOrEqual(80);
  });

  test.each(pages)(
    '%s fits 40 columns but for its code, and shows no asterisks of Markdown',
    async (topic) => {
      const { stdout } = await runCli(['help', topic], { env: { COLUMNS: '40' } });
      expect(stdout).not.toContain('**');
      for (const line of stdout.split('\n').filter((text) => !text.startsWith('    ')))
        expect(displayWidth(line), line).toBeLessThanOrEqual(40);
    },
  );

  test('names the help of a command that has the name of a page', async () => {
    const commands = buildProgram().commands.map((known) => known.name());
    const both = pages.filter((topic) => commands.includes(topic));
    expect(both).toContain('data');
    for (const topic of both)
      expect((await runCli(['help', topic])).stdout).toContain(`onecycle ${topic} --help`);
  });

  test.each([...pages.map((topic) => `src/cli/manual/${topic}.md`), 'README.md'])(
    '%s names only flags, pages and commands that there are',
    (file) => {
      const text = readFileSync(join(ROOT, file), 'utf8');
      const others = [
        '--help',
        '--no-color',
        '--array',
        '--wait',
        '--wrap',
        '--jobs',
        '--sshlogin',
        ...['--only', '--roofline', '--threads'],
        '--input',
        '--output',
        '--directory',
        ...['--sort', '--prune', '--yes', '--logdir'],
      ];
      const known = [...Object.keys(OPTIONS).map(flagName), ...others];
      for (const [flag] of text.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)) expect(known).toContain(flag);
      for (const [, page] of text.matchAll(/onecycle help ([a-z0-9-]+)/g)) expect(pages).toContain(page);
      const commands = buildProgram().commands.map((known) => known.name());
      for (const [, command] of text.matchAll(/onecycle ([a-z][a-z-]+)/g))
        expect(commands).toContain(command);
    },
  );

  test.each([
    ['trian', /named "trian"\. Did you mean "train"\?$/],
    ['lr-kurve', /Did you mean "lr-curve"\?$/],
    ['statistic', /Did you mean "statistics"\?$/],
    [
      'unheard-of',
      /Expected one of find-lr, train, compare, predict, export, show, data, runs, doctor, init, completion, help, lr-curve, 1cycle, .*speed/,
    ],
    ['constructor', /no page of the manual named "constructor"/],
    ['../manual/speed', /no page of the manual named/],
  ])('help %s is wrong usage', async (topic, message) => {
    const { code, stdout, stderr } = await runCli(['help', topic]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });
});

test('before it is built the program says so: exit 2', async () => {
  const root = await scratchFolder();
  for (const part of ['bin', 'package.json']) cpSync(join(ROOT, part), join(root, part), { recursive: true });
  const bin = join(root, 'bin', 'onecycle.js');
  const { exitCode, stdout, stderr } = await execa(process.execPath, [bin, '--help'], { reject: false });
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(stderr).toBe('onecycle: It is not built yet. Run "npm run build" in its folder.');
});
