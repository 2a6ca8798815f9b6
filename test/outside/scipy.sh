#!/usr/bin/env bash
# An outside program agrees: SciPy recomputes the differences of a comparison from the run folders, to 1e-9.
# Needs numpy and SciPy, as Debian's python3-scipy; about a minute.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=''
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import numpy, scipy' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo 'no Python with numpy and SciPy: install python3-scipy' >&2
  exit 1
fi

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
compare() { node bin/onecycle.js compare --quiet --json "$@"; }
agrees() { "$python" test/golden/oracles/crossed.py "$1" "$out"/runs/*; }

# Three arms, so that p is corrected; a common rate, so that the second differs from the first beyond doubt.
compare --policies 'fixed,1cycle,1cycle@50' --trainable head --epochs 1 --lr 'fixed=1e-4,1cycle=3e-3,1cycle@50=3e-3' \
  --seeds 4 --out "$out/runs" >"$out/trained.json"
agrees "$out/trained.json"

# Read back, without a run that leaves its seed unpaired.
rm -r "$out/runs/1cycle-seed2"
compare --policies 'fixed,1cycle,1cycle@50' "$out"/runs/* >"$out/read.json"
agrees "$out/read.json"
