#!/usr/bin/env bash
# An outside program agrees: TensorFlow reads the event files of a run that was interrupted and resumed, and of a comparison, and
# finds every step and epoch once. Needs python3; fetches libtensorflow from the npm registry as the backend tests do, and shares
# their copy. Half a minute beside that.
set -euo pipefail
cd "$(dirname "$0")/../.."

tensorflow=$PWD/node_modules/.cache/onecycle/tensorflow
bash test/backends/fetch-tensorflow.sh "$tensorflow"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
onecycle() { node bin/onecycle.js "$@"; }
small=(--trainable head --epochs 3 --quiet)

# Interrupted in its second epoch, by the signal that Ctrl-C sends.
ONECYCLE_CHECKPOINT_SECONDS=0 node bin/onecycle.js train "${small[@]}" --tensorboard --out "$out/runs" >/dev/null 2>&1 &
run=$out/runs/1cycle-seed0
until [ "$(cat "$run/steps.jsonl" 2>/dev/null | wc -l)" -gt 45 ] || ! kill -0 $! 2>/dev/null; do sleep 0.02; done
kill -INT $! 2>/dev/null || true
wait $! || true
[ "$(wc -l <"$run/epochs.jsonl")" -lt 3 ] || { echo 'the run ended before it was interrupted' >&2; exit 1; }
onecycle train --resume "$run" --quiet >/dev/null

onecycle compare "${small[@]}" --seeds 2 --tensorboard --out "$out/compared" >/dev/null
TF_CPP_MIN_LOG_LEVEL=2 python3 test/outside/tensorboard.py \
  "$tensorflow/node_modules/@tensorflow/tfjs-node-gpu/deps/lib" "$run" "$out"/compared/*
