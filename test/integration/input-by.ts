import * as tf from '@tensorflow/tfjs-core';
import sharp from 'sharp';
import type { Preprocessing } from '../../src/runs/documents.js';

/** An image brought to the network's input by the words of preprocessing.json alone. */
export async function inputBy(rules: Preprocessing, file: string): Promise<tf.Tensor4D> {
  const { autoOrient } = await sharp(file).metadata();
  const image = sharp(file).autoOrient().flatten({ background: rules.decode.background });
  const short = Math.min(autoOrient.width, autoOrient.height);
  const shrunk = short > rules.shrink.shortSide;
  if (shrunk) {
    const scaled = (side: number) => Math.round((side * rules.shrink.shortSide) / short);
    const size = { width: scaled(autoOrient.width), height: scaled(autoOrient.height) };
    image.resize({ ...size, fit: 'fill', kernel: rules.shrink.method });
  }
  const { data, info } = await image.toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  const shorter = Math.min(info.width, info.height);
  const { shrunk: share, notShrunk } = rules.crop.shareOfShortSide;
  const side = Math.round((shrunk ? share : notShrunk) * shorter);
  const begin = (length: number) => {
    const kept = Math.min(length, rules.keep.longSideOverShort * shorter);
    return Math.floor((length - kept) / 2) + Math.floor((kept - side) / 2);
  };
  return tf.tidy(() => {
    const pixels = tf.tensor3d(new Uint8Array(data), [info.height, info.width, 3], 'float32');
    const square = tf.slice(pixels, [begin(info.height), begin(info.width), 0], [side, side, 3]);
    const { resize, scale } = rules;
    const sized = tf.image.resizeBilinear(square, [resize.height, resize.width], resize.alignCorners);
    return tf.expandDims<tf.Tensor4D>(tf.add(tf.mul(sized, scale.multiply), scale.add), 0);
  });
}
