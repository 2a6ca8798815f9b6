import ts from 'typescript';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const SOURCE = fileURLToPath(new URL('../../../src/', import.meta.url));

/** The record's sources as JavaScript, so that another process can run them whether or not dist/ is fresh. */
export interface CompiledRecord {
  /** Starts `node` on a script in which `record(name)` imports `src/runs/name.ts`; arguments are in `args`. */
  spawn(script: string, args: readonly string[]): ChildProcess;
  /** The same, waiting for the end and returning stdout; `as` runs it as another user. */
  run(script: string, args: readonly string[], as?: readonly string[]): Promise<string>;
  remove(): void;
}

export function compileRecord(): CompiledRecord {
  const dir = mkdtempSync(join(tmpdir(), 'onecycle-compiled-'));
  // mkdtemp makes it private; another user is to run it.
  chmodSync(dir, 0o755);
  const files = ['', 'runs', 'stats'].flatMap((room) =>
    readdirSync(join(SOURCE, room))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(room, name)),
  );
  for (const file of files) {
    const { outputText } = ts.transpileModule(readFileSync(join(SOURCE, file), 'utf8'), {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2023,
        verbatimModuleSyntax: true,
      },
    });
    const target = join(dir, file.replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, outputText);
  }
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  const base = pathToFileURL(join(dir, 'runs/')).href;
  const argv = (script: string, args: readonly string[]) => [
    '--input-type=module',
    '--eval',
    `const args = process.argv.slice(1); const record = (name) => import(${JSON.stringify(base)} + name + '.js');\n${script}`,
    '--',
    ...args,
  ];
  return {
    spawn: (script, args) =>
      spawn(process.execPath, argv(script, args), { stdio: ['pipe', 'pipe', 'inherit'], cwd: dir }),
    run: (script, args, as = []) =>
      new Promise((resolve, reject) => {
        const [command = '', ...rest] = [...as, process.execPath, ...argv(script, args)];
        execFile(command, rest, { cwd: dir }, (error, stdout) => (error ? reject(error) : resolve(stdout)));
      }),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
