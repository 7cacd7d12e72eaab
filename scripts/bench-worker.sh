#!/usr/bin/env bash
# The model at full load beside a modality that sends a film of 10 MB every second: C-STORE times with and without it,
# films analysed per second, and how long the oldest film waits. Eleven minutes, best on a quiet machine. Arguments go to
# tests/bench/worker.py: --seconds N, --threads N.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
cargo build --release --quiet
cargo build --release --quiet -p centinela-scp --example stream
[[ -d $target/bench/corpus/dx ]] || cargo run --release --quiet -p xtask -- corpus "$target/bench/corpus"
films=("$target"/bench/corpus/dx/*.dcm)
python3 tests/bench/worker.py --bin "$target/release" --film "${films[0]}" --load tests/dicom-fixtures/dx_opacity.dcm "$@"
