#!/usr/bin/env bash
# Makes one archive for a GPU machine that is reached by copying files alone: node, the built program with its packages,
# Dawn, the Vulkan loader from Debian's packages, and a benchmark of all backends beside PyTorch.
# usage: pack.sh [OUT.tar.xz]       there: tar -xJf onecycle-gpu.tar.xz && sh onecycle-gpu/run.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
out=$(realpath -m "${1:-$root/node_modules/.cache/onecycle/onecycle-gpu.tar.xz}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pack=$work/onecycle-gpu app=$work/onecycle-gpu/app
mkdir -p "$pack/bin" "$pack/lib" "$app/test/bench" "$(dirname "$out")"

# Node without symbols; those that addons link to stay.
cp "$(node -p process.execPath)" "$pack/bin/node"
strip --strip-unneeded "$pack/bin/node"

cd "$root"
cp -r bin dist configs package.json "$app/"
mkdir -p "$app/data"
cp -r data/. "$app/data/"
find "$app/dist" -name '*.map' -delete

# The packages that run, without types, maps and other systems' binaries; of TensorFlow.js the builds for Node alone.
npm ls --omit=dev --all --parseable 2>/dev/null | sed -n "s#^$root/##p" | grep '^node_modules/' |
  grep -v '@tensorflow/tfjs-node\|/@webgpu/' | sort -u |
  while read -r package; do
    [ -d "$package" ] || continue
    mkdir -p "$app/$package"
    case $package in
      node_modules/@tensorflow/*)
        mkdir -p "$app/$package/dist"
        cp "$package/package.json" "$app/$package/"
        cp "$package"/dist/*.node.js "$app/$package/dist/"
        ;;
      node_modules/webgpu)
        cp "$package/package.json" "$package/index.js" "$app/$package/"
        mkdir -p "$app/$package/dist"
        cp -r "$package/dist/linux-x64" "$app/$package/dist/"
        strip --strip-unneeded "$app/$package/dist/linux-x64/dawn.node"
        ;;
      *) cp -r "$package/." "$app/$package/" ;;
    esac
  done
find "$app/node_modules" \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' -o -name '*.md' \) -delete
rm -rf "$app"/node_modules/{echarts,zrender}/dist "$app"/node_modules/h5wasm/dist/{esm,iife}

# The benchmark, as JavaScript over the built program.
for script in pack-bench pack-profile random-mobilenet; do
  node -e '
    const { ModuleKind, ScriptTarget, transpileModule } = require("typescript");
    const source = require("fs").readFileSync(process.argv[1], "utf8").replaceAll("../../src/", "../../dist/");
    const compilerOptions = { module: ModuleKind.ESNext, target: ScriptTarget.ES2022, verbatimModuleSyntax: true };
    process.stdout.write(transpileModule(source, { compilerOptions }).outputText);
  ' "test/bench/$script.ts" >"$app/test/bench/$script.js"
done
cp test/bench/torch_mobilenet.py "$app/test/bench/"
cp test/bench/pack-run.sh "$pack/run.sh"

# The Vulkan loader, and what NVIDIA's Vulkan driver wants to find beside it.
debs=(libvulkan1 libegl1 libglvnd0 libglx0 libgl1 libopengl0 libgles2 libx11-6 libxext6 libxcb1 libxau6 libxdmcp6 libbsd0 libmd0)
(mkdir "$work/debs" && cd "$work/debs" && apt-get download -q "${debs[@]}" >/dev/null)
for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$work/unpacked"; done
find "$work/unpacked" -name '*.so.*' -exec cp -a {} "$pack/lib/" \;

tar -c -C "$work" onecycle-gpu | xz -T0 -6 >"$out"
size=$(stat -c %s "$out")
echo "$out: $((size / 1000000)) MB"
[ "$size" -lt 60000000 ] || { echo 'pack.sh: the archive is larger than 60 MB' >&2; exit 1; }
