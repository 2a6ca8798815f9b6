import { describe, expect, it } from 'vitest';
import type { PreparedSample } from '../../../src/data/folder/image-folder.js';
import { datasetNotes, type Oddity } from '../../../src/data/images/audit.js';

/** Images as class/content, such as a/1: equal numbers mean equal bytes. */
function part(name: string, ...images: string[]): PreparedSample[] {
  return images.map((image, i) => {
    const [className = '', content = ''] = image.split('/');
    const path = `${name}/${className}/${i}.png`;
    return { path, label: 'ab'.indexOf(className), image: i, sha256: content };
  });
}
const notes = (train: PreparedSample[], valid: PreparedSample[], odd: Record<string, Oddity[]> = {}) =>
  datasetNotes(['a', 'b'], train, valid, ({ path }) => odd[path] ?? []);

describe('notes on the images', () => {
  it('are none where nothing is wrong', () => {
    expect(notes(part('train', 'a/1', 'b/2'), part('val', 'a/3', 'b/4'))).toEqual([]);
  });

  it('count images on both sides, one or several', () => {
    expect(notes(part('train', 'a/1', 'b/2'), part('val', 'a/1', 'b/5'))).toEqual([
      '1 of 2 validation images is a training image too, byte for byte (val/a/0.png = train/a/0.png): ' +
        'the validation accuracy flatters',
    ]);
    const many = ['a/1', 'a/2', 'a/3', 'a/4', 'b/5'];
    expect(notes(part('train', ...many, 'b/6'), part('val', ...many))).toEqual([
      expect.stringMatching(/^5 of 5 validation images are training images too, .*a\/2\.png, and 2 more\)/),
      expect.stringContaining('uneven'),
    ]);
  });

  it('call the same bytes under two classes contradicting labels, and no flattery', () => {
    expect(notes(part('train', 'a/1', 'b/1', 'b/2'), part('val', 'a/3', 'b/4'))).toEqual([
      'contradicting labels: 2 images have the same bytes as an image of another class ' +
        '(train/a/0.png = train/b/1.png), so at most one label of each group is right',
      expect.stringContaining('uneven'),
    ]);
    expect(notes(part('train', 'a/1', 'b/2'), part('val', 'b/1', 'b/5'))).toEqual([
      'contradicting labels: 2 images have the same bytes as an image of another class ' +
        '(train/a/0.png = val/b/0.png), so at most one label of each group is right; 1 of 2 validation images has its twin ' +
        'in the training part under another class, so the training teaches what the validation counts as wrong',
    ]);
    // One is trained under both labels: neither flattery nor plain error.
    const [first, ...more] = notes(part('train', 'a/1', 'b/1'), part('val', 'a/1', 'b/1', 'b/7'));
    expect(first).toMatch(/^contradicting labels: 4 images .*; 2 of 3 validation images have their twins/);
    expect(more).toEqual([]);
  });

  it('name odd images', () => {
    const odd = {
      'train/a/0.png': ['tiny'],
      'val/a/0.png': ['long', 'one colour'],
      'val/b/1.png': ['long', 'faint'],
    };
    expect(
      notes(part('train', 'a/1', 'b/2'), part('val', 'a/3', 'b/4'), odd as Record<string, Oddity[]>),
    ).toEqual([
      expect.stringMatching(/^1 of 4 images is less than 8 pixels high or wide, .*\(train\/a\/0\.png\)$/),
      expect.stringMatching(
        /^2 of 4 images are more than 4 times as long as wide; .*\(val\/a\/0\.png, val\/b\/1\.png\)$/,
      ),
      expect.stringMatching(/^1 of 4 images is of one single colour; .*\(val\/a\/0\.png\)$/),
      expect.stringMatching(/^1 of 4 images uses less than a quarter of the range .*\(val\/b\/1\.png\)$/),
    ]);
  });
});
