import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { schemaErrors } from '../schemas/validate.js';
import { tarOf } from '../unit/fetch/archives.js';
import { type Served, serveFiles } from '../unit/fetch/file-server.js';
import { type CliResult, ROOT, runCli, scratchFolder, startCli } from './run-cli.js';
import { tinyImages } from './tiny-images.js';

const SMALL = '--image-size 32 --trainable head --batch-size 12 --epochs 2 --views 1 --seed 3'.split(' ');
const TOP = 'tiny_images';
let images: readonly (readonly [string, Buffer])[];
let archive: Buffer;

beforeAll(async () => {
  const dir = mkdtempSync(join(tmpdir(), 'onecycle-tiny-'));
  await tinyImages(dir);
  images = readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [`${TOP}/${path.slice(dir.length + 1)}`, readFileSync(path)] as const);
  rmSync(dir, { recursive: true });
  archive = gzipSync(tarOf([...images, [`${TOP}/LICENSE.txt`, 'free']]));
});

/** A set that a table names, at an official address that a server on the loopback address stands in for, and a cache of its own. */
async function world(
  served: Partial<Served> = {},
  { content = archive }: { readonly content?: Buffer } = {},
) {
  const cwd = await scratchFolder();
  const server = await serveFiles({
    '/files.example/data/tiny.tgz': { body: content, etag: '"1"', ...served },
  });
  const sha256 = createHash('sha256').update(content).digest('hex');
  const entry = {
    ...{ name: 'tiny', about: 'noise in two colours', classes: 2, images: { train: 24, valid: 12 } },
    files: [{ url: 'https://files.example/data/tiny.tgz', bytes: content.length, sha256 }],
    layout: { kind: 'folders', top: TOP },
    ...{ licence: 'free', citation: 'Nobody, 2026' },
  };
  writeFileSync(join(cwd, 'catalog.json'), JSON.stringify([entry]));
  const env = {
    ONECYCLE_CACHE: join(cwd, 'cache'),
    ONECYCLE_CATALOG: join(cwd, 'catalog.json'),
    ONECYCLE_MIRROR: server.address,
  };
  // A port that nobody listens at.
  const offline = { ...env, ONECYCLE_MIRROR: 'http://127.0.0.1:9' };
  const run = (args: readonly string[], more: Readonly<Record<string, string>> = env) =>
    runCli(args, { cwd, env: more });
  const place = join(cwd, 'cache', 'downloads', 'tiny', 'tiny.tgz');
  Object.defineProperty(server, 'arrived', {
    get: () => statSync(`${place}.part`, { throwIfNoEntry: false })?.size ?? 0,
  });
  return {
    cwd,
    server,
    env,
    offline,
    run,
    place,
    sha256,
  };
}

function pulled({ stdout }: CliResult) {
  const document = JSON.parse(stdout) as { folder: string; made: boolean };
  expect(schemaErrors('data-pull', document)).toEqual([]);
  return document;
}

/** What lies in the cache, folders left out. */
function cached(cwd: string): string[] {
  const cache = join(cwd, 'cache');
  return readdirSync(cache, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(cache.length + 1))
    .sort();
}

describe('--data with the name of a data set', () => {
  it('fetches it once, says what it is, and trains on it; a run records the name and goes on offline', async () => {
    const { cwd, server, run, offline, env } = await world();
    const train = ['train', '--data', 'tiny', '--out', 'runs', ...SMALL];
    const first = await run([...train, '--json']);
    expect(first.code, first.stderr).toBe(0);
    expect(first.stderr).toContain('Data set tiny: noise in two colours.');
    expect(first.stderr).toContain(
      `From ${server.address}/files.example/data/tiny.tgz (${Math.round(archive.length / 1e3)} kB) into ${env.ONECYCLE_CACHE}.`,
    );
    expect(first.stderr).toContain('Licence: free.');
    expect(first.stderr).toContain('Please cite: Nobody, 2026.');
    expect(JSON.parse(first.stdout)).toMatchObject({
      config: { data: 'tiny' },
      dataset: { classes: ['ants', 'bees'], train: 24, valid: 12 },
    });
    const paths = images.map(([name]) => `data/${name.replace(TOP, 'tiny')}`);
    expect(cached(cwd)).toEqual([...paths, 'data/tiny.json', 'data/tiny/LICENSE.txt'].sort());
    expect(JSON.parse(readFileSync(join(cwd, 'cache/data/tiny.json'), 'utf8'))).toMatchObject({
      images: { train: 24, valid: 12 },
      origins: [{ url: 'https://files.example/data/tiny.tgz', bytes: archive.length }],
      licence: 'free',
    });

    // A run goes on although its images were fetched anew, and its page finds them without a network.
    rmSync(join(cwd, 'cache'), { recursive: true });
    const longer = await run(['train', '--resume', 'runs/1cycle-seed3', '--extend-to', '3', '--json']);
    expect(longer.code, longer.stderr).toBe(0);
    expect(server.asked).toHaveLength(2);
    const shown = await run(['show', 'runs/1cycle-seed3', '--report', 'page'], offline);
    expect(shown.code, shown.stderr).toBe(0);
    expect(readFileSync(join(cwd, 'page', 'report.html'), 'utf8')).toContain('data:image/');
  }, 60_000);

  it('is the folder of that name where there is one', async () => {
    const { cwd, server, run } = await world();
    mkdirSync(join(cwd, 'tiny'));
    const { code, stderr } = await run(['train', '--data', 'tiny', ...SMALL]);
    expect(code).toBe(2);
    expect(stderr).toContain(
      '--data tiny is the folder of that name here, not the data set: that is taken where there is no such folder.',
    );
    expect(stderr).toContain(`No images found in ${join(cwd, 'tiny')}.`);
    expect(server.asked).toEqual([]);
  });

  it('knows what was meant', async () => {
    const { run } = await world();
    const { code, stderr } = await run(['find-lr', '--data', 'imagenete']);
    expect(code).toBe(2);
    expect(stderr).toContain(
      'There is neither a data folder nor a data set named imagenete. Did you mean "imagenette"?',
    );
    expect(stderr).toContain('Data sets are cifar10-mini, tiny, ants-bees, ');
  });
});

describe('without a network', () => {
  it('says where from, whereto and what else; a file that was put there by hand is checked and taken', async () => {
    const { cwd, run, offline, place, sha256 } = await world();
    const pull = ['data', 'pull', 'tiny', '--json'];
    const away = await run(['compare', '--data', 'tiny', ...SMALL, '--json'], offline);
    expect(away.code).toBe(1);
    expect(away.stderr).toContain(
      'Could not download http://127.0.0.1:9/files.example/data/tiny.tgz: 127.0.0.1:9 takes no calls (ECONNREFUSED). The same command goes on with what has arrived; ' +
        `or put it by hand at ${place} (${archive.length} bytes, sha256 ${sha256}), and it is taken from there. ` +
        'Always here: the bundled cifar10-mini, 1,400 thumbnails of CIFAR-10, in ten classes (--data cifar10-mini).',
    );
    expect(JSON.parse(away.stdout)).toMatchObject({ status: 'error', error: { kind: 'run', exitCode: 1 } });
    expect(cached(cwd)).toEqual([]);

    writeFileSync(place, 'another file');
    const wrong = await run(pull, offline);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain(
      `${place} is not the file that it should be: it has 12 bytes, and ${archive.length} were expected.`,
    );

    writeFileSync(place, archive);
    const taken = await run(pull, offline);
    expect(taken.code, taken.stderr).toBe(0);
    expect(pulled(taken)).toMatchObject({
      made: true,
      images: { train: 24, valid: 12 },
      origins: [{ sha256 }],
    });
    expect(existsSync(place)).toBe(false);
    expect(pulled(await run(pull, offline))).toMatchObject({ made: false, images: { train: 24, valid: 12 } });
  }, 30_000);
});

describe('a host that cannot be trusted', () => {
  it('a connection that is cut in the middle is taken up again', async () => {
    const cut = Math.floor(archive.length / 2);
    const { run, server } = await world({ cuts: [cut] });
    const result = await run(['data', 'pull', 'tiny']);
    expect(result.code, result.stderr).toBe(0);
    expect(server.asked.map(({ range }) => range)).toEqual([undefined, `bytes=${cut}-`]);
    expect(result.stderr).toMatch(/broke the connection off .*; trying again in 1 s/u);
    expect(result.stdout).toMatch(/^tiny: 24 training images and 12 validation images, from \d+ kB, in /u);
    expect(result.stderr).toMatch(/^Results {2}.*cache\/data\/tiny\nNext {5}.* compare --data tiny$/mu);
  });

  it('another file of the same length is refused, and nothing of it is kept', async () => {
    const { cwd, run } = await world({ body: Buffer.alloc(archive.length, 'x') });
    const { code, stderr } = await run(['data', 'pull', 'tiny']);
    expect(code).toBe(1);
    expect(stderr).toContain('is not the file that is published: its sha256 is ');
    expect(cached(cwd)).toEqual([]);
  });

  it('an archive whose names lead out of the folder is refused, and nothing is written there', async () => {
    const content = gzipSync(tarOf([...images, [`${TOP}/train/ants/../../../../../../out.png`, 'harmless']]));
    const { cwd, run } = await world({}, { content });
    const { code, stderr } = await run(['train', '--data', 'tiny', ...SMALL]);
    expect(code).toBe(1);
    expect(stderr).toContain('in it leads out of the folder it is unpacked into. Nothing of it was kept.');
    expect(readdirSync(cwd).sort()).toEqual(['cache', 'catalog.json']);
    expect(cached(cwd)).toEqual(['downloads/tiny/tiny.tgz']);
  });
});

describe('a fetch that is stopped', () => {
  it('is gone on with by the same command, which says so', async () => {
    const kept = Math.floor(archive.length / 3);
    const { cwd, env, server, run, place } = await world({ stallsAfter: kept });
    const pulling = startCli(['data', 'pull', 'tiny'], { cwd, env });
    await vi.waitFor(() => expect(statSync(`${place}.part`).size).toBe(kept), 20_000);
    pulling.kill('SIGINT');
    const stopped = await pulling;
    expect(stopped.exitCode, String(stopped.stderr)).toBe(130);
    expect(String(stopped.stderr)).toContain(
      'SIGINT: stopping; what has arrived is kept, and the same command goes on from there',
    );
    expect(cached(cwd)).toEqual(['downloads/tiny/tiny.tgz.part', 'downloads/tiny/tiny.tgz.part.json']);
    const { dataSets } = JSON.parse((await run(['data', 'list', '--json'])).stdout) as {
      dataSets: { name: string; state: string }[];
    };
    expect(dataSets.find(({ name }) => name === 'tiny')?.state).toBe('begun');

    server.files.set('/files.example/data/tiny.tgz', { body: archive, etag: '"1"' });
    const again = await run(['data', 'pull', 'tiny']);
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).toContain(`tiny.tgz: going on after ${Math.round(kept / 1e3)} kB`);
    expect(server.asked.at(-1)).toMatchObject({ range: `bytes=${kept}-`, ifRange: '"1"' });
  }, 60_000);

  it('and two at the same time are one', async () => {
    const { run, server } = await world();
    const both = await Promise.all([
      run(['data', 'pull', 'tiny', '--json']),
      run(['data', 'pull', 'tiny', '--json']),
    ]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(both.map((one) => pulled(one).made).sort()).toEqual([false, true]);
    expect(server.asked).toHaveLength(1);
  });
});

describe('onecycle data', () => {
  it('lists what there is: names, licences, what is here, and the cache', async () => {
    const { cwd, run } = await world();
    mkdirSync(join(cwd, 'cache', 'data', 'flowers'), { recursive: true });
    const { code, stdout, stderr } = await run(['data', 'list']);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^cifar10-mini +1,400 +10 +bundled$/mu);
    expect(stdout).toMatch(/^tiny +36 +2 +\d+ kB +no$/mu);
    expect(stdout).toMatch(/^flowers +3,670 +5 +229 MB +yes$/mu);
    expect(stdout).toContain('Licence: CC BY 2.0');
    expect(stdout).toContain(`Cache: ${join(cwd, 'cache')}, 0 B.`);
    expect(stderr).toMatch(/^Next {5}.* data pull tiny$/mu);
    const document = JSON.parse((await run(['data', 'list', '--json'])).stdout) as unknown;
    expect(schemaErrors('data-list', document)).toEqual([]);
  });

  it('refuses names that there are not, and what is wrong around it', async () => {
    const { run, env } = await world();
    const said = async (args: readonly string[], more: Readonly<Record<string, string>> = env) => {
      const { code, stderr } = await run(args, more);
      expect(code, stderr).toBe(2);
      return stderr;
    };
    expect(await said(['data', 'pull', 'flower'])).toContain(
      'There is no data set named "flower". Did you mean "flowers"?',
    );
    expect(await said(['data', 'pull', 'tiny'], { ...env, ONECYCLE_MIRROR: 'mirror' })).toContain(
      'Expected an address such as http://mirror.example/files for ONECYCLE_MIRROR but received mirror.',
    );
    expect(
      await said(['data', 'pull', 'tiny'], { ...env, ONECYCLE_CACHE: join(ROOT, 'package.json') }),
    ).toContain('Give the cache a folder that can be written with ONECYCLE_CACHE.');
    expect(await said(['data', 'list'], { ...env, ONECYCLE_CATALOG: 'none.json' })).toContain(
      'none.json, which ONECYCLE_CATALOG names, is no table',
    );
  });
});
