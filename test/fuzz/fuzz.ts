import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { seededRandom } from '../integration/seeded-random.js';
import { tinyImages } from '../integration/tiny-images.js';
import { damagedBytes, makePipe, randomConfig, randomFolder, randomOptions, randomText } from './generate.js';
import { type Try, tryCommand } from './tried-command.js';

// Drives every command for some seconds with folders, configurations, weights and run folders as nobody would make them. Whatever
// comes: no stack, no hang, no other exit code than the documented ones, no control character on a terminal, and not a byte
// changed outside --out. Prints its seed: with --seed, the same tries come again.
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    seed: { type: 'string' },
    keep: { type: 'boolean' },
  },
});
const SECONDS = Number(values.seconds);
const SEED = Number(values.seed ?? Date.now() % 1e6);
const TINY = '--epochs 1 --trainable head --image-size 96 --batch-size 2 --views 1 --workers 1'.split(' ');

const root = mkdtempSync(join(tmpdir(), 'onecycle-fuzz-'));
const at = (...names: string[]) => join(root, ...names);
const random = seededRandom(SEED);
const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
const chance = (share: number) => random() < share;

console.log(`fuzz: seed ${SEED}, ${SECONDS} s, in ${root}`);
await tinyImages(at('data'), { train: 6, valid: 3 });
mkdirSync(at('sentinel', 'inner'), { recursive: true });
writeFileSync(at('sentinel', 'secret.txt'), 'nobody may touch this');
writeFileSync(at('sentinel', 'inner', 'other.txt'), 'nor this');
await makeReferences();

/** A generator for each kind of input; what it makes lies under `here`, runs go to `out`. */
const KINDS: Readonly<Record<string, (here: string, out: string) => readonly string[]>> = {
  folder: (here, out) => {
    const data = randomFolder(join(here, 'data'), at('sentinel'), random);
    const command = pick([
      ['train'],
      ['train', '--dry-run'],
      ['find-lr', '--steps', '10', '--seeds', '1'],
      ['compare', '--seeds', '1'],
    ]);
    return [...command, ...TINY, '--data', data, '--out', out, ...(chance(0.3) ? ['--follow-links'] : [])];
  },
  options: (_, out) => {
    const command = pick(['train', 'find-lr', 'compare'] as const);
    const some = { train: [], 'find-lr': ['--steps', '8', '--seeds', '1'], compare: ['--seeds', '1'] }[
      command
    ];
    return [command, ...TINY, ...some, '--data', at('data'), ...randomOptions(command, random), '--out', out];
  },
  configuration: (here, out) => {
    const path = join(here, 'config.json');
    if (chance(0.05)) makePipe(path);
    else writeFileSync(path, randomConfig(at('runs', '1cycle-seed0', 'config.json'), random));
    return [
      pick(['train', 'find-lr', 'compare']),
      '--config',
      path,
      ...TINY.filter(() => chance(0.9)),
      '--seeds',
      '1',
      '--data',
      at('data'),
      '--out',
      out,
    ].filter(
      // train has one seed.
      (word, i, words) => words[0] !== 'train' || (word !== '--seeds' && words[i - 1] !== '--seeds'),
    );
  },
  'run folder': (here, out) => {
    const runs = damagedRuns(here);
    const [first = '', second = ''] = [pick(runs), pick(runs)];
    return pick([
      ['compare', ...runs.filter((dir) => /seed\d/.test(dir)), '--report', join(out, 'page')],
      ['compare', first, second],
      ['compare', here],
      ['show', first],
      ['runs', here],
      ['predict', first, join(at('data'), 'val'), ...(chance(0.3) ? ['--json'] : [])],
      ['export', first, '--to', join(out, 'model'), '--format', pick(['tfjs', 'onnx'])],
      ['train', '--resume', first, ...(chance(0.3) ? ['--extend-to', '2'] : [])],
      ['train', '--lr', `from:${join(here, 'find-lr-seed0')}`, ...TINY, '--data', at('data'), '--out', out],
      ['compare', ...TINY, '--seeds', '1', '--data', at('data'), '--out', here],
      ['train', ...TINY, '--lr', 'auto', '--data', at('data'), '--out', here],
    ]);
  },
  weights: (here, out) => {
    const dir = join(here, 'model');
    cpSync(at('runs', '1cycle-seed0', 'model'), dir, { recursive: true });
    damage(join(dir, pick(['model.json', 'model.json', 'weights.bin'])));
    return ['train', ...TINY, '--dry-run', '--weights', dir, '--data', at('data'), '--out', out];
  },
  words: (_, out) => {
    const words = Array.from({ length: Math.floor(random() * 5) }, () => randomText(random));
    return [
      ...(chance(0.7) ? [pick(['train', 'find-lr', 'compare', 'help', 'doctor-no'])] : []),
      ...words,
      ...(chance(0.5) ? ['--out', out] : []),
    ].map((word) => word.replaceAll('\0', ''));
  },
};

const counts = new Map<string, number>();
const faults: string[] = [];
const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
const untouched = snapshot();
const end = performance.now() + 1000 * SECONDS;
let tries = 0;
for (; performance.now() < end; tries++) {
  const kind = pick(Object.keys(KINDS));
  const here = at(`try-${tries}`);
  const [out, cwd] = [join(here, 'out'), join(here, 'cwd')];
  mkdirSync(cwd, { recursive: true });
  const args = KINDS[kind]?.(here, out) ?? [];
  const name = pick(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const);
  const one: Try = {
    kind,
    args,
    ...(chance(0.08) ? { signal: { name, afterMs: 100 + 1500 * random() } } : {}),
  };
  const { code, signal, stderr, fault } = await tryCommand(one, cwd, here);
  count(`${kind}: ${code ?? signal}`);
  const left = readdirSync(cwd).filter((entry) => entry !== 'runs');
  const problem =
    fault ??
    (left.length > 0 ? `left ${left.join(', ')} in the working directory` : undefined) ??
    (snapshot() === untouched ? undefined : 'changed something outside --out');
  if (problem === undefined) {
    rmSync(here, { recursive: true, force: true });
    continue;
  }
  faults.push(problem);
  console.log(
    `\ntry ${tries} (${kind}) ${problem}\n  onecycle ${args.map((word) => JSON.stringify(word)).join(' ')}\n  in ${here}\n${JSON.stringify(stderr.slice(-1500))}`,
  );
}
for (const [what, times] of [...counts].sort()) console.log(`  ${what.padEnd(24)}${times}`);
console.log(`fuzz: ${tries} tries, ${faults.length} faults (seed ${SEED})`);
if (faults.length === 0 && values.keep !== true) rmSync(root, { recursive: true, force: true });
process.exitCode = faults.length === 0 ? 0 : 1;

/** Runs to damage: two finished, one interrupted, and a range test. */
async function makeReferences(): Promise<void> {
  const data = ['--data', at('data'), '--out', at('runs'), ...TINY, '--quiet'];
  const made = async (args: readonly string[], signal?: Try['signal']) => {
    const result = await tryCommand({ kind: 'reference', args, ...(signal && { signal }) }, root, at('runs'));
    if (result.fault !== undefined || result.code === 2)
      throw new Error(`${args.join(' ')}: ${result.stderr}`);
  };
  await made(['train', ...data]);
  await made(['train', '--policy', 'fixed', ...data]);
  await made(['find-lr', '--steps', '20', '--seeds', '1', ...data]);
  await made(['train', ...data, '--arm', 'broken', '--epochs', '2000'], { name: 'SIGINT', afterMs: 3000 });
}

/** Copies of the reference runs, some files of which are damaged. */
function damagedRuns(here: string): string[] {
  const runs = readdirSync(at('runs')).map((name) => {
    cpSync(at('runs', name), join(here, name), { recursive: true });
    return join(here, name);
  });
  for (let n = 1 + Math.floor(random() * 3); n > 0; n--) {
    const dir = pick(runs);
    const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const file = pick(files);
    if (file !== undefined) damage(join(file.parentPath, file.name));
  }
  return runs;
}

function damage(path: string): void {
  const bytes = readFileSync(path);
  rmSync(path);
  const how = random();
  if (how < 0.04) return;
  if (how < 0.07) return void mkdirSync(path);
  if (how < 0.1) return symlinkSync(at('sentinel', 'secret.txt'), path);
  if (how < 0.15) return makePipe(path);
  writeFileSync(path, damagedBytes(bytes, random));
}

/** A digest of everything that no command may change. */
function snapshot(): string {
  const hash = createHash('sha256');
  for (const folder of ['data', 'sentinel', 'runs'].map((name) => at(name)).filter(existsSync)) {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
      const path = join(folder, name);
      const found = lstatSync(path);
      hash.update(`${path} ${found.mode} ${found.mtimeMs}\n`);
      if (found.isFile()) hash.update(readFileSync(path));
      if (found.isSymbolicLink()) hash.update(readlinkSync(path));
    }
  }
  return hash.digest('hex');
}
