#!/usr/bin/env bash
# A native TensorFlow for tests, from the npm registry alone: the JavaScript of tfjs-node-gpu, whose own installer needs
# another host, over a native addon with libtensorflow 1.15 (CPU, 64-bit Linux with glibc) that an npm package carries.
# For tests and measurements, never a dependency. About 195 MB to fetch, 380 MB unpacked.
#
# usage: fetch-tensorflow.sh FOLDER     afterwards: NODE_PATH=FOLDER/node_modules onecycle train --backend tensorflow
set -euo pipefail

readonly version=4.22.0
readonly carrier=tfjs-node-lambda-releases carrier_version=1.6.1
readonly sum=b7c30d059063526e0adb372652870685c573dacf04107ee57abe37c8d8b6d011
readonly archive=nodejs12.x-tf2.7.0.br

folder=${1:?usage: fetch-tensorflow.sh FOLDER}
[ "$(uname -sm)" = 'Linux x86_64' ] || { echo 'fetch-tensorflow.sh: there is an addon for 64-bit Linux alone' >&2; exit 1; }
package=$folder/node_modules/@tensorflow/tfjs-node-gpu
[ -e "$folder/complete" ] && exit 0
mkdir -p "$folder"

echo '{ "private": true }' >"$folder/package.json"
npm install --prefix "$folder" --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error \
  "@tensorflow/tfjs-node-gpu@$version" >/dev/null

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
(cd "$scratch" && npm pack --silent --loglevel=error "$carrier@$carrier_version" >/dev/null)
echo "$sum  $scratch/$carrier-$carrier_version.tgz" | sha256sum --check --status || {
  echo "fetch-tensorflow.sh: $carrier@$carrier_version is not the file that was expected" >&2
  exit 1
}
tar -xzf "$scratch/$carrier-$carrier_version.tgz" -C "$scratch"
mkdir "$scratch/native"
# brotli is in no Debian by default, but in every Node.
node -e 'process.stdin.pipe(require("zlib").createBrotliDecompress()).pipe(process.stdout)' \
  <"$(find "$scratch" -name "$archive" -print -quit)" | tar -x -C "$scratch/native"

addon=$(find "$scratch/native" -path '*/lib/napi-v6/tfjs_binding.node' -print -quit)
# The addon speaks N-API, the same since Node 12; the package looks for it under the number of its newest.
mkdir -p "$package/lib/napi-v8"
cp "$addon" "$package/lib/napi-v8/"
rm -rf "$package/deps"
cp -a "$(dirname "$addon")/../../deps" "$package/deps"
touch "$folder/complete"
