#!/usr/bin/env bash
# Writes the sample pack, films and results for others to test their viewers with, and has it judged by dciodvfy, DCMTK,
# highdicom and PixelMed. scripts/samples.sh [FOLDER] (default: samples). Some minutes: PixelMed takes 20 s for a report.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/needs.sh samples
scripts/venv.sh tools
out=${1:-samples}
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --package xtask
cargo build --quiet --package centinela-domain --example build_results
.venv/bin/python tests/samples/make.py --build-results "$target/debug/examples/build_results" --xtask "$target/debug/xtask" "$out"
.venv/bin/python tests/samples/judge.py "$out" --pixelmed /usr/share/java/pixelmed.jar
