import { type AddHelpTextContext, Command, Option } from 'commander';
import { readFileSync } from 'node:fs';
import {
  type CommandName,
  flagName,
  OPTION_GROUPS,
  type OptionName,
  type OptionSpec,
} from '../config/options.js';
import { printableLines } from '../printable.js';
import { type RateTable, readDefaults, type Settings } from '../config/settings.js';
import { requireOpenFiles } from '../system.js';
import { commandLine, FITTED_HELP, helperOf, wrapped } from './help-layout.js';
import { helpWidth } from './terminal.js';
import type { Topics } from './help.js';
import type { RawFlags } from './session.js';

declare module 'commander' {
  interface Command {
    /** Ends with the error for a first word that is no command. It is there, but not in commander's own types. */
    unknownCommand(): never;
  }
}

const SUMMARY: Record<CommandName, string> = {
  'find-lr': 'learning-rate range test: a curve, suggestions, the rate to use',
  train: 'fine-tune with a fixed (decayed) rate, or with rate and momentum cycled at every mini-batch',
  compare: 'both policies under equal conditions: which is better, by how much, and how sure that is',
  predict: "classify images with a run's best model",
  export: "write a run's model for use elsewhere: with a page for the browser, or as ONNX",
  'data check':
    'unreadable files, duplicates, leaks, contradicting labels, odd images; doubtful labels after a run',
};

/** The pages of the manual, src/cli/manual/*.md, and what each is about. */
const TOPICS: Topics = {
  'lr-curve': 'how find-lr measures a rate; reading its curve',
  '1cycle': 'the schedule, its options, and what it brings',
  data: 'folders, tables of labels, checking images',
  'data-sets': 'data sets by name, the cache, working offline',
  'batch-norm': 'training batch norm, small images, random weights',
  statistics: 'what compare claims, and on what grounds',
  models: 'weights to start from; new images, the browser, ONNX',
  cluster: 'runs on many machines; run folders; config files',
  speed: 'measured times, and the command that measures them',
  'from-fastai-and-pytorch': 'their names and defaults, and ours',
};

/** Command lines that --help ends with, and what each is for. */
const EXAMPLES: Readonly<Record<CommandName, readonly (readonly [line: string, purpose: string])[]>> = {
  'find-lr': [
    ['onecycle find-lr', 'the bundled images: a curve over 3 seeds, and the rate to use'],
    [
      'onecycle find-lr --data photos --seeds 5 --epochs 10',
      'your own images: the rate for 10 epochs, with a spread over 5 seeds',
    ],
    [
      'onecycle find-lr --data photos --trainable head --loss valid',
      'the new head alone, judged by the validation loss',
    ],
  ],
  train: [
    ['onecycle train --data photos --epochs 10 --lr auto', '1cycle on your own images, the rate found first'],
    [
      'onecycle train --policy fixed --decay cosine --lr 3e-4 --dry-run',
      'shows a schedule and trains nothing',
    ],
    [
      'onecycle train --resume runs/1cycle-seed0',
      'goes on with a run that was interrupted; so does the line that began it',
    ],
  ],
  compare: [
    [
      'onecycle compare --data photos --seeds 10 --report page',
      'both policies on your own images, and a page to send around',
    ],
    [
      'onecycle compare --lr auto --policies fixed:cosine,1cycle,1cycle:no-momentum',
      'three arms, each with a rate found for its policy',
    ],
    ['onecycle compare --seeds 20 --plan --out /shared/runs', 'one command a run, for a cluster'],
  ],
  predict: [
    ['onecycle predict runs/1cycle-seed0 photo.jpg --top 3', 'the three most probable classes of one image'],
    [
      'onecycle predict runs/1cycle-seed0 photos/val',
      'a folder; of images in class folders also the accuracy, class by class',
    ],
    [
      'onecycle predict runs/1cycle-seed0 - --json --csv table.csv',
      'names from standard input, as find writes them; JSON lines and a table',
    ],
  ],
  export: [
    [
      'onecycle export runs/1cycle-seed0 --to web',
      'TensorFlow.js, with a page that classifies images in the browser',
    ],
    ['onecycle export runs/1cycle-seed0 --to onnx --format onnx', 'a file for every runtime that reads ONNX'],
    [
      'onecycle export runs/1cycle-seed0 --to last --final --json',
      'the weights of the last checkpoint; the list of files as JSON',
    ],
  ],
  'data check': [
    ['onecycle data check photos --report page', 'what speaks against the folder, and a page with pictures'],
    [
      'onecycle data check photos --run runs/1cycle-seed0,runs/1cycle-seed1',
      'also the images that these runs take for another class',
    ],
    [
      'onecycle data check photos --strict --quiet --json',
      'for a script: exit code 1 where results would be wrong',
    ],
  ],
};

/** The command line. Nothing heavy is imported before a command runs. */
export function buildProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const { settings, rates } = readDefaults();
  const program = new Command('onecycle')
    .description('Super-convergence with the 1cycle policy: find the rate, train, compare.')
    .version(version)
    .showHelpAfterError('(see onecycle --help)')
    .helpCommand(false)
    .addHelpText('beforeAll', refuseUnknown)
    .addHelpText('after', topicHelp)
    .configureHelp(FITTED_HELP)
    .configureOutput({
      writeErr: (text) => process.stderr.write(printableLines(text)),
      getOutHelpWidth: () => helpWidth(process.stdout),
      getErrHelpWidth: () => helpWidth(process.stderr),
    })
    .hook('preAction', requireOpenFiles)
    .exitOverride();

  addOptions(program.command('find-lr'), 'find-lr', settings, rates).action(async (flags: RawFlags) => {
    if (flags['printConfig'] === true) return printSettings('find-lr', flags);
    const { runFindLr } = await import('./find-lr.js');
    await runFindLr(flags);
  });
  addOptions(program.command('train'), 'train', settings, rates).action(async (flags: RawFlags) => {
    if (flags['printConfig'] === true) return printSettings('train', flags);
    const { runTrain } = await import('./train.js');
    await runTrain(flags);
  });
  addOptions(program.command('compare'), 'compare', settings, rates)
    .argument('[runs...]', 'run folders, or folders of them: compare what was recorded instead of training')
    .action(async (runs: string[], flags: RawFlags) => {
      if (flags['printConfig'] === true) return printSettings('compare', flags);
      const { runCompare } = await import('./compare.js');
      await runCompare(runs, flags);
    });
  addOptions(program.command('predict'), 'predict', settings, rates)
    .argument('<run>', 'the folder of a run')
    .argument('[images...]', 'files or folders; - or none: a list of names on standard input')
    .action(async (run: string, images: string[], flags: RawFlags) => {
      const { runPredict } = await import('./models.js');
      await runPredict(run, images, flags);
    });
  addOptions(program.command('export'), 'export', settings, rates)
    .argument('<run>', 'the folder of a run')
    .action(async (run: string, flags: RawFlags) => {
      const { runExport } = await import('./models.js');
      await runExport(run, flags);
    });
  plainCommand(program, 'show')
    .description("print a run's page again, or take its numbers elsewhere")
    .argument('<run>', 'the folder of a run of train or find-lr')
    .option('--report <DIR>', 'also write DIR/report.html, one file, and its charts beside it')
    .option('--csv <DIR>', 'also write its records to DIR as tables')
    .action(async (run: string, flags: RawFlags) => {
      const { runShow } = await import('./show.js');
      await runShow(run, flags);
    });
  const data = program
    .command('data')
    .description('data sets by name: which there are, and fetching them; checking a data folder')
    .showHelpAfterError('(see onecycle data --help)')
    .exitOverride();
  plainCommand(data, 'list')
    .description('the data sets that --data knows by name, and what of them is here')
    .action(async (flags: RawFlags) => {
      const { runDataList } = await import('./data.js');
      await runDataList(flags);
    });
  plainCommand(data, 'pull')
    .description('fetch a data set into the cache, as --data NAME does at its first use')
    .argument('<name>', 'the name of a data set')
    .action(async (name: string, flags: RawFlags) => {
      const { runDataPull } = await import('./data.js');
      await runDataPull(name, flags);
    });
  addOptions(data.command('check'), 'data check', settings, rates)
    .argument('[dir]', 'the data folder; without it, the bundled data set')
    .action(async (dir: string | undefined, flags: RawFlags) => {
      const { runDataCheck } = await import('./data-check.js');
      await runDataCheck(dir, flags);
    });
  plainCommand(program, 'runs')
    .description('list recorded runs, and free the checkpoints of those that are finished')
    .argument('[dir]', 'a folder of runs', settings.out)
    .option('--sort <KEY>', 'name, arm, data, seed, status, best, final, age, size', 'name')
    .option('--policy <P>', 'only runs of this policy, or of the arm of this name')
    .option('--data <DIR>', 'only runs on this data')
    .option('--prune', 'remove the checkpoints of finished runs, after saying what goes')
    .option('--yes', 'with --prune: without asking')
    .action(async (dir: string, flags: RawFlags) => {
      const { runRuns } = await import('./show.js');
      await runRuns(dir, flags);
    });
  plainCommand(program, 'doctor')
    .description('what this machine can do, and what is missing for more')
    .action(async (flags: RawFlags) => {
      const { runDoctor } = await import('./show.js');
      await runDoctor(flags);
    });
  program
    .command('init')
    .description('write a file for --config with every setting, its default and what it does')
    .argument('[file]', 'the file to make', 'onecycle.jsonc')
    .showHelpAfterError('(see onecycle init --help)')
    .exitOverride()
    .action(async (file: string) => {
      const { runInit } = await import('./help.js');
      await runInit(file);
    });
  program
    .command('completion')
    .description('print the completion of commands and options for a shell')
    .argument('<shell>', 'bash, zsh or fish; the first line that is printed says where it goes')
    .showHelpAfterError('(see onecycle completion --help)')
    .exitOverride()
    .action(async (shell: string) => {
      const { printCompletion } = await import('./help.js');
      const { allDataSets, BUNDLED_DATA } = await import('../data/catalog/catalog.js');
      const { KNOWN_WEIGHTS } = await import('../model/load/known-weights.js');
      const named = (all: readonly { readonly name: string }[]) => all.map(({ name }) => name);
      printCompletion(shell, program, TOPICS, {
        data: named([BUNDLED_DATA, ...(await allDataSets())]),
        weights: [...named(KNOWN_WEIGHTS), 'none'],
      });
    });
  program
    .command('help')
    .description('help on a command, or a page of the manual')
    .argument('[topic]', 'a command or a page')
    .exitOverride()
    .action(async (topic: string | undefined) => {
      // Of what is both, the page: it says more.
      const isPage = Object.hasOwn(TOPICS, topic ?? '');
      const asked = [program, ...program.commands].find(
        (known) => known.name() === (topic ?? program.name()),
      );
      if (asked !== undefined && !isPage) {
        asked.outputHelp();
        return;
      }
      const { printPage } = await import('./help.js');
      const commands = program.commands.map((known) => known.name());
      await printPage(topic ?? '', TOPICS, commands);
    });
  return program;
}

async function printSettings(command: CommandName, flags: RawFlags): Promise<void> {
  const session = await import('./session.js');
  await session.printSettings(command, flags);
}

/** A command that needs no settings: none of its options is a key of a config file. */
function plainCommand(program: Command, name: string): Command {
  return program
    .command(name)
    .option('--json', 'one JSON document on stdout')
    .option('--quiet', 'nothing on stderr but warnings and errors')
    .option('--no-color', 'no colours')
    .option('--debug', 'stack traces')
    .showHelpAfterError(
      `(see onecycle ${program.name() === 'onecycle' ? '' : `${program.name()} `}${name} --help)`,
    )
    .exitOverride();
}

function addOptions(command: Command, name: CommandName, settings: Settings, rates: RateTable): Command {
  command.description(SUMMARY[name]).showHelpAfterError(`(see onecycle ${name} --help)`).exitOverride();
  for (const [group, options] of Object.entries(OPTION_GROUPS)) {
    command.optionsGroup(`${group}:`);
    for (const [key, spec] of Object.entries(options) as [OptionName, OptionSpec][]) {
      if (!spec.commands.includes(name)) continue;
      const flag = key === 'color' ? '--no-color' : flagName(key);
      const text = key === 'color' ? 'no colours' : `${spec.description}${shownDefault(key, settings)}`;
      command.addOption(new Option(spec.argument === undefined ? flag : `${flag} <${spec.argument}>`, text));
    }
  }
  command.helpOption('-h, --help', 'this help');
  if (name === 'train' || name === 'compare')
    command.addHelpText('after', (context) => rateHelp(settings, rates, context));
  return command.addHelpText('after', (context) => exampleHelp(name, context));
}

function shownDefault(key: OptionName, settings: Settings): string {
  const value = settings[key];
  if (value === undefined || typeof value === 'boolean') return '';
  const text = Array.isArray(value) ? value.map(short).join(',') : short(value);
  return ` [${key === 'data' ? 'the bundled data set' : text}]`;
}

function short(value: unknown): string {
  if (typeof value !== 'number') return String(value);
  const text = String(value);
  return text.length > 6 ? String(Number(value.toPrecision(3))) : text;
}

/** A first word that names no command is an error with --help too: help on something else would hide it. */
function refuseUnknown({ command, error }: AddHelpTextContext): string {
  const [word = '-'] = command.args;
  const known = word.startsWith('-') || command.commands.some((inner) => inner.name() === word);
  if (!error && command.commands.length > 0 && !known) command.unknownCommand();
  return '';
}

function topicHelp(context: AddHelpTextContext): string {
  const helper = helperOf(context);
  const widest = Math.max(...Object.keys(TOPICS).map((topic) => topic.length));
  const items = Object.entries(TOPICS).map(([topic, about]) =>
    helper.formatItem(topic, widest, about, helper),
  );
  return `\n${wrapped('Pages of the manual (onecycle help <topic>):', helper)}\n${items.join('\n')}`;
}

function exampleHelp(name: CommandName, context: AddHelpTextContext): string {
  const helper = helperOf(context);
  const examples = EXAMPLES[name].map(([line, purpose]) =>
    helper.formatItem(commandLine(line, helper), Infinity, purpose, helper),
  );
  return `\nExamples:\n${examples.join('\n')}`;
}

function rateHelp(settings: Settings, rates: RateTable, context: AddHelpTextContext): string {
  const rows = Object.entries(rates).map(([part, byPolicy]) => {
    const named = part === 'last' ? 'last:N' : part;
    return `  ${named.padEnd(8)}${Object.entries(byPolicy)
      .map(([policy, rate]) => `${policy} ${rate}`)
      .join('   ')}`;
  });
  const heading = `Learning rates without --lr, by trained part and policy [${settings.trainable}]:`;
  return `\n${wrapped(heading, helperOf(context))}\n${rows.join('\n')}`;
}
