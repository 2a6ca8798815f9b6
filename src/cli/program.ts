import { Command, Option } from 'commander';
import { readFileSync } from 'node:fs';
import { type CommandName, flagName, type OptionName, OPTIONS, type OptionSpec } from '../config/options.js';
import { type RateTable, readDefaults, type Settings } from '../config/settings.js';
import type { RawFlags } from './session.js';

const SUMMARY: Record<CommandName, string> = {
  'find-lr': 'learning-rate range test: a curve, suggestions, the rate to use',
  train: 'fine-tune with a fixed (decayed) rate, or with rate and momentum cycled at every mini-batch',
  compare: 'both policies under equal conditions: which is better, by how much, and how sure that is',
};

/** The command line. Nothing heavy is imported before a command runs. */
export function buildProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const { settings, rates } = readDefaults();
  const program = new Command('onecycle')
    .description('Super-convergence with the 1cycle policy: find the rate, train, compare.')
    .version(version)
    .showHelpAfterError('(see onecycle --help)')
    .exitOverride();

  addOptions(program.command('find-lr'), 'find-lr', settings, rates).action(async (flags: RawFlags) => {
    const { runFindLr } = await import('./find-lr.js');
    await runFindLr(flags);
  });
  addOptions(program.command('train'), 'train', settings, rates).action(async (flags: RawFlags) => {
    const { runTrain } = await import('./train.js');
    await runTrain(flags);
  });
  addOptions(program.command('compare'), 'compare', settings, rates)
    .argument('[runs...]', 'run folders: compare what was recorded instead of training')
    .action(async (runs: string[], flags: RawFlags) => {
      const { runCompare } = await import('./compare.js');
      await runCompare(runs, flags);
    });
  program
    .command('doctor')
    .description('what this machine can do, and what is missing for more')
    .addOption(new Option('--json', 'one JSON document on stdout'))
    .addOption(new Option('--no-color', 'no colours'))
    .showHelpAfterError('(see onecycle doctor --help)')
    .exitOverride()
    .action(async (flags: RawFlags) => {
      const { runDoctor } = await import('./doctor.js');
      await runDoctor(flags);
    });
  return program;
}

function addOptions(command: Command, name: CommandName, settings: Settings, rates: RateTable): Command {
  command.description(SUMMARY[name]).showHelpAfterError(`(see onecycle ${name} --help)`).exitOverride();
  for (const key of Object.keys(OPTIONS) as OptionName[]) {
    const spec: OptionSpec = OPTIONS[key];
    if (!spec.commands.includes(name)) continue;
    const flag = key === 'color' ? '--no-color' : flagName(key);
    const text = key === 'color' ? 'no colours' : `${spec.description}${shownDefault(key, settings)}`;
    command.addOption(new Option(spec.argument === undefined ? flag : `${flag} <${spec.argument}>`, text));
  }
  if (name !== 'find-lr') command.addHelpText('after', () => rateHelp(settings, rates));
  return command;
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

function rateHelp(settings: Settings, rates: RateTable): string {
  const rows = Object.entries(rates).map(([part, byPolicy]) => {
    const named = part === 'last' ? 'last:N' : part;
    return `  ${named.padEnd(8)}${Object.entries(byPolicy)
      .map(([policy, rate]) => `${policy} ${rate}`)
      .join('   ')}`;
  });
  return `\nLearning rates without --lr, by trained part and policy [${settings.trainable}]:\n${rows.join('\n')}`;
}
