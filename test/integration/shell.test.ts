import { execa, execaSync } from 'execa';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildProgram } from '../../src/cli/program.js';
import { readConfigFile } from '../../src/config/check-settings.js';
import { OPTIONS } from '../../src/config/options.js';
import { readDefaults } from '../../src/config/settings.js';
import { runCli, scratchFolder } from './run-cli.js';

const COMMANDS = buildProgram().commands;
/** Of a command, or of those below it, each flag once. */
const flagsOf = (name: string) => {
  const command = COMMANDS.find((known) => known.name() === name)!;
  const commands = command.commands.length === 0 ? [command] : command.commands;
  const flags = commands.flatMap((one) => one.createHelp().visibleOptions(one));
  return [...new Set(flags.map(({ long }) => long!))];
};

/** Whether a shell's tests may be left out: a CI, which installs it, is to fail instead. */
const without = (shell: string) =>
  execaSync(shell, ['-c', 'true'], { reject: false }).failed && process.env['CI'] === undefined;

async function scriptFor(shell: string): Promise<string> {
  const { code, stdout, stderr } = await runCli(['completion', shell]);
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
}

/** A folder with names to complete. */
async function placeWithNames(): Promise<string> {
  const dir = await scratchFolder();
  mkdirSync(join(dir, 'photos'));
  writeFileSync(join(dir, 'photo of mine.jpg'), '');
  return dir;
}

describe('completion bash', () => {
  let script: string;
  beforeAll(async () => void (script = await scriptFor('bash')));

  /** What bash offers for the last of the words. */
  async function offered(words: readonly string[], cwd = '.'): Promise<string[]> {
    const asked = `${script}
      complete -p onecycle >/dev/null || exit 3
      COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
      _onecycle
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { exitCode, stdout, stderr } = await execa('bash', ['--norc', '-c', asked, 'bash', ...words], {
      cwd,
      reject: false,
    });
    expect([exitCode, stderr]).toEqual([0, '']);
    return stdout === '' ? [] : stdout.split('\n');
  }

  test.each([
    [['onecycle', 'tr'], ['train']],
    [['onecycle', 'train', '--pol'], ['--policy']],
    [['onecycle', 'compare', '--pol'], ['--policies']],
    [
      ['onecycle', 'train', '--policy', ''],
      ['fixed', '1cycle'],
    ],
    [['onecycle', 'train', '--epochs', '3', '--decay', 'p'], ['plateau']],
    [['onecycle', 'train', '--epochs', ''], []],
    [['onecycle', 'train', ''], []],
    [['onecycle', 'export', 'RUN', '--format', 'o'], ['onnx']],
    [
      ['onecycle', 'completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['onecycle', 'help', 'lr'], ['lr-curve']],
    [['onecycle', 'help', 'pred'], ['predict']],
    [['onecycle', 'data', 'pull', 'ox'], ['oxford-pets']],
    [['onecycle', 'train', '--data', 'cifar10-m'], ['cifar10-mini']],
    [['onecycle', 'find-lr', '--weights', 'mobilenet_v2_1.4'], ['mobilenet_v2_1.4_224']],
    [['onecycle', 'data', 'l'], ['list']],
    [['onecycle', 'nothing', '--x'], []],
  ])('%j: %j', async (words, expected) => {
    expect(await offered(words)).toEqual(expected);
  });

  test('all commands, and all options of each', async () => {
    expect(await offered(['onecycle', ''])).toEqual([
      ...COMMANDS.map((command) => command.name()),
      '--help',
      '--version',
    ]);
    for (const command of COMMANDS) {
      expect(await offered(['onecycle', command.name(), '-'])).toEqual(flagsOf(command.name()));
    }
  });

  test('files and folders, each where it is one that is wanted', async () => {
    const cwd = await placeWithNames();
    const both = ['photo of mine.jpg', 'photos'];
    expect((await offered(['onecycle', 'predict', 'RUN', 'ph'], cwd)).sort()).toEqual(both);
    expect((await offered(['onecycle', 'train', '--config', 'ph'], cwd)).sort()).toEqual(both);
    expect(await offered(['onecycle', 'train', '--data', 'ph'], cwd)).toEqual(['photos']);
    expect((await offered(['onecycle', 'train', '--weights', 'ph'], cwd)).sort()).toEqual(both);
    expect(await offered(['onecycle', 'compare', 'ph'], cwd)).toEqual(['photos']);
    expect(await offered(['onecycle', 'runs', 'ph'], cwd)).toEqual(['photos']);
  });
});

describe.skipIf(without('fish'))('completion fish', () => {
  let script: string;
  beforeAll(async () => void (script = await scriptFor('fish')));

  const offered = async (line: string, cwd = '.') => {
    const { exitCode, stdout, stderr } = await execa(
      'fish',
      ['--no-config', '-c', `${script}\ncomplete -C ${JSON.stringify(line)}`],
      { cwd, reject: false },
    );
    expect([exitCode, stderr]).toEqual([0, '']);
    return stdout.split('\n').map((found) => found.split('\t')[0]);
  };

  test('commands, options, values and files', async () => {
    expect((await offered('onecycle ')).sort()).toEqual(COMMANDS.map((command) => command.name()).sort());
    for (const command of COMMANDS) {
      const found = await offered(`onecycle ${command.name()} --`);
      expect(found.sort()).toEqual(flagsOf(command.name()).sort());
    }
    expect((await offered('onecycle train --policy ')).sort()).toEqual(['1cycle', 'fixed']);
    expect(await offered('onecycle help lr')).toEqual(['lr-curve']);
    const cwd = await placeWithNames();
    expect(await offered('onecycle train --data ph', cwd)).toEqual(['photos/']);
    expect(await offered('onecycle train --data cifar10-m', cwd)).toEqual(['cifar10-mini']);
    expect(await offered('onecycle train --weights mobilenet_v2_1.4')).toEqual(['mobilenet_v2_1.4_224']);
    expect((await offered('onecycle train --weights ph', cwd)).sort()).toEqual([
      'photo of mine.jpg',
      'photos/',
    ]);
    expect((await offered('onecycle predict RUN ph', cwd)).sort()).toEqual(['photo of mine.jpg', 'photos/']);
  });
});

describe.skipIf(without('zsh'))('completion zsh', () => {
  let script: string;
  beforeAll(async () => void (script = await scriptFor('zsh')));

  /** Types a line and the tab key twice into a zsh at a terminal, and waits until all the words have been shown. */
  const shows = async (line: string, words: readonly string[], cwd: string) => {
    writeFileSync(join(cwd, 'completion.zsh'), script);
    const session = `
      zmodload zsh/zpty
      zpty shell 'TERM=dumb PS1=READY zsh -f -i'
      zpty -w shell 'autoload -Uz compinit; compinit -u -d ${cwd}/dump; source ${cwd}/completion.zsh; LISTMAX=9999; PS1=DONE'
      zpty -r shell seen '*DONE*'
      zpty -w -n shell $'${line}\\t\\t'
      seen=
      while (($#)); do
        while zpty -r -t shell more; do seen+=$more; done
        if [[ $seen == *$1* ]]; then shift; else sleep 0.05; fi
        print -rn -- $seen >${cwd}/seen
      done`;
    const { timedOut, stderr } = await execa('zsh', ['-f', '-c', session, 'zsh', ...words], {
      cwd,
      reject: false,
      timeout: 60_000,
    });
    expect([timedOut, stderr], readFileSync(join(cwd, 'seen'), 'utf8')).toEqual([false, '']);
  };

  test('commands, options, values and files', async () => {
    const cwd = await placeWithNames();
    await shows('onecycle tr', ['onecycle train '], cwd);
    await shows('onecycle train --policy ', ['fixed', '1cycle'], cwd);
    await shows('onecycle predict --', flagsOf('predict'), cwd);
    await shows('onecycle train --data ph', ['--data photos/'], cwd);
    await shows('onecycle train --data cifar10-m', ['--data cifar10-mini '], cwd);
    await shows('onecycle train --weights mobilenet_v2_1.', ['mobilenet_v2_1.3_224', '1.4_224'], cwd);
    await shows('onecycle train --weights ph', ['--weights photo'], cwd);
  });
});

test('completion for another shell is wrong usage', async () => {
  const { code, stdout, stderr } = await runCli(['completion', 'tcsh']);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toBe(
    'onecycle: Expected one of bash, zsh, fish but received "tcsh": onecycle completion bash',
  );
});

describe('init', () => {
  const init = async (...args: readonly string[]) => {
    const cwd = await scratchFolder();
    return {
      cwd,
      file: join(cwd, args[0] ?? 'onecycle.jsonc'),
      ...(await runCli(['init', ...args], { cwd })),
    };
  };

  test('writes the defaults, each with what it means', async () => {
    const { code, stdout, stderr, file } = await init();
    expect(code).toBe(0);
    expect(stderr).toMatch(/^Results  onecycle\.jsonc\nNext     .* compare --config onecycle\.jsonc$/);
    expect(stdout).toBe('Wrote onecycle.jsonc. Change in it what you like.');
    const read = await readConfigFile(file);
    const { settings } = readDefaults();
    expect(Object.keys(read).length).toBeGreaterThan(30);
    for (const [name, value] of Object.entries(read)) {
      expect(value, name).toEqual(settings[name as keyof typeof settings]);
    }
    // What has no default stands there too, as a comment that becomes a setting without its slashes.
    const lines = readFileSync(file, 'utf8').split('\n');
    // No call of the program is an experiment's setting.
    for (const name of ['config', 'resume', 'json', 'dryRun', 'printConfig'])
      expect(read).not.toHaveProperty(name);
    const commented = lines.flatMap((line) => /^ {2}\/\/ "(\w+)": \S+, /.exec(line)?.[1] ?? []);
    expect(commented).toEqual(expect.arrayContaining(['lr', 'imageSize', 'target']));
    for (const name of [...Object.keys(read), ...commented]) {
      const line = lines.find((each) => each.includes(`"${name}":`))!;
      expect(line.endsWith(`  // ${OPTIONS[name as keyof typeof OPTIONS].description}`), line).toBe(true);
    }
    const target = lines.map((line) => line.replace('// "target": ACC', '"target": 0.9')).join('\n');
    writeFileSync(file, target);
    expect(await readConfigFile(file)).toEqual({ ...read, target: 0.9 });
  });

  test('with it a command does what it does without', async () => {
    const { cwd, file } = await init('mine.jsonc');
    const both = (...command: readonly string[]) =>
      Promise.all([[], ['--config', file]].map((more) => runCli([...command, ...more], { cwd })));
    const [plain, configured] = await both('train', '--dry-run', '--json');
    expect(plain!.code, plain!.stderr).toBe(0);
    const anew = { cost: 'measured anew', environment: 'another command line', seconds: 'others' };
    const plan = (stdout: string) => ({ ...(JSON.parse(stdout) as object), ...anew });
    expect(plan(configured!.stdout)).toEqual(plan(plain!.stdout));
    const told = (stderr: string) => stderr.replaceAll(/^Next .*$/gmu, '');
    expect(told(configured!.stderr)).toBe(told(plain!.stderr));
    const trainings = (await both('compare', '--plan')).map(({ stdout }) =>
      stdout.split('\n').filter((line) => line.startsWith('onecycle train')),
    );
    expect(trainings[0]).toHaveLength(6);
    expect(trainings[1]).toEqual(trainings[0]);
  });

  test('overwrites nothing', async () => {
    const { cwd, file } = await init();
    writeFileSync(file, 'mine');
    const { code, stdout, stderr } = await runCli(['init'], { cwd });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toBe(
      'onecycle: onecycle.jsonc is there already, and nothing is overwritten. Name another: onecycle init FILE',
    );
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  test('folders on the way are made; a place that cannot be is wrong usage', async () => {
    const { cwd } = await init('made/on/the/way.jsonc');
    expect((await readConfigFile(join(cwd, 'made/on/the/way.jsonc'))).epochs).toBe(5);
    const { code, stderr } = await runCli(['init', 'made/on/the/way.jsonc/x'], { cwd });
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^onecycle: Could not write made\S+\/x: a part of that path is a file, .* with onecycle init FILE\.$/,
    );
  });
});
