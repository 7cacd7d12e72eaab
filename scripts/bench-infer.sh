#!/usr/bin/env bash
# Our network on each of its paths, ONNX Runtime, OpenVINO and torch in turn, on the same weights and input: milliseconds,
# ratios, parity, memory, load time, and what the machine could do at most. Installs torch and the peers; ten minutes, best
# on a quiet machine. Arguments go to tests/bench/infer.py: --rounds N, --cells THREADSxBATCHxSIZE,...
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/needs.sh
scripts/venv.sh torch
cargo build --release --quiet -p centinela-models --example infer -p centinela-kernels --example peak
.venv-torch/bin/python tests/bench/infer.py --bin "${CARGO_TARGET_DIR:-target}/release/examples" "$@"
