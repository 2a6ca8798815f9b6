import type { Command, Option } from 'commander';
import { readFile, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { nearest, OPTIONS, type OptionSpec } from '../config/options.js';
import { commentedDefaults } from '../config/settings.js';
import { UsageError } from '../errors.js';
import { errnoOf, makeFolders } from '../files.js';
import { printableLines } from '../printable.js';
import { manualPage } from '../report/pages/manual.js';
import { explainWriteError, writeDurably } from '../runs/atomic.js';
import { sayClosing } from './closing.js';
import { layout } from './terminal.js';

/** Pages of the manual, src/cli/manual/*.md, and what each is about. */
export type Topics = Readonly<Record<string, string>>;

/**
 * `onecycle help PAGE`. For `| less` and into a file the page has no colours and 80 columns, or COLUMNS where that is set: what
 * reads it may be narrower or wider than this terminal.
 * @throws UsageError with the nearest of the topics and commands where there is no such page
 */
export async function printPage(name: string, topics: Topics, commands: readonly string[]): Promise<void> {
  if (!Object.hasOwn(topics, name)) {
    const known = [...new Set([...commands, ...Object.keys(topics)])];
    const meant = nearest(name, known);
    const hint = meant === undefined ? `Expected one of ${known.join(', ')}.` : `Did you mean "${meant}"?`;
    throw new UsageError(`There is no command and no page of the manual named "${name}". ${hint}`);
  }
  const page = await readFile(new URL(`./manual/${name}.md`, import.meta.url), 'utf8');
  process.stdout.write(`${manualPage(page, layout({ color: true }, process.stdout))}\n`);
}

/** `onecycle init FILE`. Throws UsageError where the file is there already or cannot be written. */
export async function runInit(file: string): Promise<void> {
  await makeFolders(dirname(resolve(file))).catch((error: unknown) => {
    throw explainWriteError(error, file, 'start', 'onecycle init FILE');
  });
  await writeDurably(file, commentedDefaults(file)).catch(async (error: unknown) => {
    if (errnoOf(error) === 'EEXIST') {
      throw new UsageError(
        `${file} is there already, and nothing is overwritten. Name another: onecycle init FILE`,
      );
    }
    await rm(file, { force: true });
    throw explainWriteError(error, file, 'start', 'onecycle init FILE');
  });
  process.stdout.write(`${printableLines(`Wrote ${file}. Change in it what you like.`)}\n`);
  sayClosing({ results: [file], next: ['compare', '--config', file] });
}

/** The shells that `onecycle completion` knows. */
const SHELLS = ['bash', 'zsh', 'fish'] as const;

/**
 * `onecycle completion SHELL`: the shell's script, made of the program's own commands and options. Throws UsageError for a
 * shell that is none of SHELLS.
 * @param names what --data and --weights take beside paths
 */
export function printCompletion(asked: string, program: Command, topics: Topics, names: KnownNames): void {
  const commandNames = program.commands.map((command) => command.name());
  const operands: Readonly<Record<string, Completed>> = {
    run: FOLDERS,
    runs: FOLDERS,
    dir: FOLDERS,
    images: FILES,
    file: FILES,
    topic: { words: [...new Set([...commandNames, ...Object.keys(topics)])], paths: null },
    shell: { words: SHELLS, paths: null },
  };
  const commands = program.commands.map((command) => ({
    name: command.name(),
    about: command.description(),
    flags: flagsOf(command, names),
    operands:
      command.commands.length > 0
        ? { words: [...command.commands.map((inner) => inner.name()), ...names.data], paths: null }
        : (operands[command.registeredArguments.at(-1)?.name() ?? ''] ?? NOTHING),
  }));
  const shell = SHELLS.find((known) => known === asked);
  if (shell === undefined) {
    throw new UsageError(
      `Expected one of ${SHELLS.join(', ')} but received "${asked}": onecycle completion bash`,
    );
  }
  const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript };
  process.stdout.write(scripts[shell](commands));
}

/** The flags of a command, or of the commands below it. */
function flagsOf(command: Command, names: KnownNames): CompletedFlag[] {
  const commands = command.commands.length === 0 ? [command] : command.commands;
  const flags = commands.flatMap((one) =>
    one
      .createHelp()
      .visibleOptions(one)
      .flatMap((option) => completedFlag(option, names)),
  );
  return [...new Map(flags.map((flag) => [flag.flag, flag])).values()];
}

/** The names that a flag takes beside paths. */
type KnownNames = Readonly<Record<'data' | 'weights', readonly string[]>>;

/** What may stand in a place of the command line: some words, and what the shell knows to list. */
interface Completed {
  readonly words: readonly string[];
  readonly paths: 'files' | 'folders' | null;
}

const FILES: Completed = { words: [], paths: 'files' };
const FOLDERS: Completed = { words: [], paths: 'folders' };
const NOTHING: Completed = { words: [], paths: null };

interface CompletedFlag {
  /** With its dashes. */
  readonly flag: string;
  readonly about: string;
  /** How --help names the value, and what it may be; null for a flag without one. */
  readonly value: { readonly name: string; readonly completed: Completed } | null;
}

interface CompletedCommand {
  readonly name: string;
  readonly about: string;
  readonly flags: readonly CompletedFlag[];
  readonly operands: Completed;
}

function completedFlag(option: Option, names: KnownNames): CompletedFlag[] {
  if (option.long === undefined) return [];
  const options: Readonly<Record<string, OptionSpec>> = OPTIONS;
  const name = option.attributeName();
  const spec = options[name];
  const completed = completedValue(spec);
  const known = name === 'data' || name === 'weights' ? names[name] : [];
  const value = {
    name: spec?.argument ?? 'VALUE',
    completed: { ...completed, words: [...completed.words, ...known] },
  };
  return [{ flag: option.long, about: option.description, value: option.required ? value : null }];
}

function completedValue(spec: OptionSpec | undefined): Completed {
  switch (spec?.type) {
    case 'choice':
      return { words: spec.choices, paths: null };
    case 'trainable':
      return { words: ['all', 'head'], paths: null };
    case 'rate':
      return { words: ['auto'], paths: null };
    case 'path':
      return spec.argument === 'DIR' || spec.argument === 'RUN' ? FOLDERS : FILES;
    default:
      return NOTHING;
  }
}

/** A flag means the same in every command, so its values are looked up by the flag alone. */
function bashScript(commands: readonly CompletedCommand[]): string {
  const values = new Map(
    commands.flatMap(({ flags }) =>
      flags.flatMap(({ flag, value }) => (value === null ? [] : [[flag, value.completed] as const])),
    ),
  );
  const set = ({ words, paths }: Completed) =>
    [...(words.length > 0 ? [`words='${words.join(' ')}'`] : []), `paths=${paths ?? ''}`].join(' ');
  return `# Completion of onecycle for bash. In ~/.bashrc: source <(onecycle completion bash)
_onecycle() {
  local IFS=$'\\n' paths='' words='' flags=''
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} command=\${COMP_WORDS[1]}
  if ((COMP_CWORD == 1)); then
    words='${[...commands.map(({ name }) => name), '--help', '--version'].join(' ')}'
  else
    case $before in
${[...values].map(([flag, completed]) => `      ${flag}) ${set(completed)} ;;`).join('\n')}
      *)
        case $command in
${commands
  .map(
    ({ name, flags, operands }) =>
      `          ${name}) flags='${flags.map(({ flag }) => flag).join(' ')}' ${set(operands)} ;;`,
  )
  .join('\n')}
        esac
        if [[ $current == -* ]]; then paths='' words=$flags; fi
        ;;
    esac
  fi
  COMPREPLY=($(IFS=' ' compgen -W "$words" -- "$current"))
  case $paths in
    files) COMPREPLY+=($(compgen -f -- "$current")) ;;
    folders) COMPREPLY+=($(compgen -d -- "$current")) ;;
  esac
  if [[ -n $paths ]]; then compopt -o filenames 2>/dev/null; fi
}
complete -F _onecycle onecycle
`;
}

function zshScript(commands: readonly CompletedCommand[]): string {
  const action = ({ words, paths }: Completed) => {
    const list = paths === null ? ' ' : { files: '_files', folders: '_files -/' }[paths];
    if (words.length === 0) return list;
    const named = words.join(' ');
    return paths === null ? `(${named})` : ` _onecycle_either "${named}" "${list}"`;
  };
  const plain = (text: string) => text.replace(/[[\]:\\]/g, '\\$&');
  const flag = ({ flag: name, about, value }: CompletedFlag) =>
    quoted(
      `${name}[${plain(about)}]${value === null ? '' : `:${plain(value.name)}:${action(value.completed)}`}`,
    );
  return `#compdef onecycle
# Completion of onecycle for zsh. In ~/.zshrc, below compinit: source <(onecycle completion zsh)
_onecycle_either() { _alternative "names:name:($1)" "paths:path:$2" }
_onecycle() {
  if ((CURRENT == 2)); then
    local -a commands=(
${commands.map(({ name, about }) => `      ${quoted(`${name}:${plain(about)}`)}`).join('\n')}
    )
    _describe command commands
    return
  fi
  shift words
  ((CURRENT--))
  case $words[1] in
${commands
  .map(({ name, flags, operands }) => {
    const rest = operands === NOTHING ? [] : [quoted(`*:argument:${action(operands)}`)];
    return `    ${name})\n      _arguments ${[...flags.map(flag), ...rest].join(' \\\n        ')}\n      ;;`;
  })
  .join('\n')}
  esac
}
if [[ $funcstack[1] == _onecycle ]]; then _onecycle "$@"; else compdef _onecycle onecycle; fi
`;
}

function fishScript(commands: readonly CompletedCommand[]): string {
  const value = ({ words, paths }: Completed) => {
    const list = paths === 'folders' ? [...words, '(__fish_complete_directories)'] : words;
    return `${paths === 'files' ? ' -r -F' : ' -x'}${list.length === 0 ? '' : ` -a ${quoted(list.join(' '))}`}`;
  };
  const lines = commands.flatMap(({ name, about, flags, operands }) => {
    const inside = `complete -c onecycle -n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c onecycle -n __fish_use_subcommand -a ${name} -d ${quoted(about)}`,
      ...(operands === NOTHING ? [] : [`${inside}${value(operands).replace(/^ -[rx]/, '')}`]),
      ...flags.map(
        (flag) =>
          `${inside} -l ${flag.flag.slice(2)}${flag.value === null ? '' : value(flag.value.completed)} -d ${quoted(flag.about)}`,
      ),
    ];
  });
  return `# Completion of onecycle for fish: onecycle completion fish > ~/.config/fish/completions/onecycle.fish
complete -c onecycle -f
${lines.join('\n')}
`;
}

/** A text as one word of a shell; fish takes a quote in the same way. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
