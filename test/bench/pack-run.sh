#!/bin/sh
# Runs the packed benchmark, or with --doctor and --onecycle the packed program, on this machine.
# usage: run.sh [benchmark options] | run.sh --profile CASE... | run.sh --doctor | run.sh --onecycle train ...
here=$(cd "$(dirname "$0")" && pwd)

# The NVIDIA driver's Vulkan, where containers put it.
if [ -z "$VK_ICD_FILENAMES$VK_DRIVER_FILES" ]; then
  for icd in /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json /etc/vulkan/icd.d/nvidia_icd.json /usr/share/vulkan/icd.d/nvidia_icd.json; do
    [ -f "$icd" ] && { export VK_DRIVER_FILES="$icd" VK_ICD_FILENAMES="$icd"; break; }
  done
fi
egl=/usr/local/nvidia/share/glvnd/egl_vendor.d/10_nvidia.json
[ -f "$egl" ] && export __EGL_VENDOR_LIBRARY_FILENAMES="$egl"
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}" HOME="${HOME:-/tmp}"

# Of the packed libraries only those that this machine lacks.
lacking=$(mktemp -d)
trap 'rm -rf "$lacking"' EXIT
known=$(ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null || true)
for library in "$here"/lib/*.so.*; do
  name=${library##*/}
  case "$known" in *"$name "*) ;; *) ln -s "$library" "$lacking/$name" ;; esac
done
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/local/nvidia/lib64:/usr/local/nvidia/lib:$lacking"

case "$1" in
  --doctor) shift; "$here/bin/node" "$here/app/bin/onecycle.js" doctor "$@" ;;
  --onecycle) shift; "$here/bin/node" "$here/app/bin/onecycle.js" "$@" ;;
  --profile) shift; "$here/bin/node" "$here/app/test/bench/pack-profile.js" "$@" ;;
  *) "$here/bin/node" "$here/app/test/bench/pack-bench.js" "$@" ;;
esac
