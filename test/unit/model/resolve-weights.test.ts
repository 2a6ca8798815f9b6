import { expect, test } from 'vitest';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { UsageError } from '../../../src/errors.js';
import { bundledWeights, resolveWeights } from '../../../src/model/load/weights.js';
import { temporaryFolder } from './model-folders.js';

test('a bundled name is found from wherever the program is started', () => {
  expect(bundledWeights()).toEqual(['mobilenet_v2_0.35_224']);
  expect(resolveWeights('mobilenet_v2_0.35_224')).toBe(
    resolve(import.meta.dirname, '../../../data/weights/mobilenet_v2_0.35_224/model.json'),
  );
});

test('a folder means its model.json, a .json means itself, relative or absolute', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'model.json'), '{}');
  await writeFile(join(folder, 'other.json'), '{}');
  expect(resolveWeights(folder)).toBe(join(folder, 'model.json'));
  expect(resolveWeights(`${folder}/`)).toBe(join(folder, 'model.json'));
  expect(resolveWeights(join(folder, 'other.json'))).toBe(join(folder, 'other.json'));
  expect(resolveWeights(relative('.', folder))).toBe(join(folder, 'model.json'));
});

test('files of Keras mean themselves', async () => {
  const folder = await temporaryFolder();
  for (const file of ['model.h5', 'model.HDF5', 'model.keras']) {
    await writeFile(join(folder, file), '');
    expect(resolveWeights(join(folder, file))).toBe(join(folder, file));
  }
});

test('anything else is refused with what is accepted', async () => {
  const folder = await temporaryFolder();
  for (const file of ['model.h5', 'model.tflite', 'converted.zip']) await writeFile(join(folder, file), '');
  await mkdir(join(folder, 'saved'));
  await writeFile(join(folder, 'saved', 'saved_model.pb'), '');
  await mkdir(join(folder, 'inner/model.json'), { recursive: true });
  const cases: [string, RegExp][] = [
    ['no-such', /no such name, folder or file\. Expected/],
    ['', /no such name, folder or file/],
    ['a\0b', /no such name, folder or file/],
    ['x'.repeat(5000), /ENAMETOOLONG/],
    [folder, /the folder holds no file model.json/],
    [join(folder, 'inner'), /the folder holds no file model.json/],
    [join(folder, 'model.tflite'), /no .json, .h5 or .keras \(it cannot be converted; take the Keras model/],
    [join(folder, 'converted.zip'), /no .json, .h5 or .keras \(unpack it first\)/],
    [
      join(folder, 'saved'),
      /the folder holds a SavedModel \(convert it with .*--input_format=keras_saved_model/,
    ],
    [join(folder, 'model.h5/model.json'), /no such name, folder or file|ENOTDIR/],
  ];
  for (const [given, reason] of cases) {
    expect(() => resolveWeights(given)).toThrow(UsageError);
    expect(() => resolveWeights(given)).toThrow(reason);
    expect(() => resolveWeights(given)).toThrow(
      /bundled name \(mobilenet_v2_0.35_224\), a name to download \(mobilenet_v1_.*\), a folder with a model.json/,
    );
  }
});
