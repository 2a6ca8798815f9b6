#!/usr/bin/env bash
# sharp 0.35.5 (libvips 8.18.7): a 16-bit colour image with an embedded profile comes out of
# `toColourspace('srgb').raw()` as Display P3 numbers. The output has no profile that would say so.
#
# Input: one red, sRGB (255, 0, 0), as PNG with the sRGB profile that sharp itself embeds: once with 8 bits, once with 16.
# Expected: 255,0,0 from both. toColourspace is documented as «Set the output colourspace. By default output image will be
# web-friendly sRGB».
# Seen, with Node 20.20.2 on linux-x64, November 2026:
#     sharp 0.35.5, libvips 8.18.7
#     8-bit PNG, sRGB profile:   255,0,0
#     16-bit PNG, sRGB profile:  234,51,34
#     16-bit PNG, no profile:    255,0,0
#     16-bit PNG, sRGB profile, pipelineColourspace('srgb'): 255,0,0
# Why: the pipeline converts images with a profile to a processing space, Display P3 for 16-bit RGB and sRGB for the others
# (src/pipeline.cc, processingProfile); the step to the output colourspace then drops to 8 bits and does not convert back.
#
# Needs Node 20.15 or later, npm and the npm registry; installs into a temporary folder. Ends with 0 while sharp behaves as said above, and
# with 1 once it does not: the product's own conversion (src/data/images/decode.ts, toEightBits) can then be looked at again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --save-exact sharp@0.35.5

cat > finding.mjs <<'EOF'
import assert from 'node:assert/strict';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';

// The header of a PNG ends at byte 33; a profile is a chunk that may follow it.
function withProfile(png, profile) {
  const body = Buffer.concat([Buffer.from('iCCPsRGB\0\0', 'latin1'), deflateSync(profile)]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(body.length - 4);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)]);
}
const first = async (image) => [...(await image.toColourspace('srgb').raw().toBuffer()).subarray(0, 3)].join();

const red = () => sharp({ create: { width: 8, height: 8, channels: 3, background: '#f00' } });
const of8 = await red().withIccProfile('srgb').png().toBuffer();
const { icc } = await sharp(of8).metadata();
const plain16 = await red().toColourspace('rgb16').png().toBuffer();
const of16 = withProfile(plain16, icc);
const { depth, hasProfile } = await sharp(of16).metadata();
assert.deepEqual([depth, hasProfile], ['ushort', true]);

const seen = {
  '8-bit PNG, sRGB profile:  ': await first(sharp(of8)),
  '16-bit PNG, sRGB profile: ': await first(sharp(of16)),
  '16-bit PNG, no profile:   ': await first(sharp(plain16)),
  "16-bit PNG, sRGB profile, pipelineColourspace('srgb'):": await first(sharp(of16).pipelineColourspace('srgb')),
};
console.log(`sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}`);
for (const [name, colour] of Object.entries(seen)) console.log(`${name} ${colour}`);
assert.deepEqual(Object.values(seen), ['255,0,0', '234,51,34', '255,0,0', '255,0,0'], 'sharp behaves otherwise now');
EOF
node finding.mjs
