#!/usr/bin/env bash
# Our acceptor, DCMTK, Orthanc and dicom-storescp in turn, on the same films; prints ratios, CPU and memory.
# Arguments go to tests/bench/receive.py, for example: scripts/bench-receive.sh --rounds 1 --cells dx4,ct16
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/needs.sh bench
scripts/venv.sh tools
export PATH=$PATH:/usr/sbin # where Debian puts Orthanc

target=${CARGO_TARGET_DIR:-target}
cargo build --release --bin centinela
cargo build --release -p centinela-scp --example load
corpus=$target/bench/corpus
if [[ ! -d $corpus/ct ]]; then
    cargo run --release -p xtask -- corpus "$corpus"
fi
if [[ ! -x $target/bench/tools/bin/dicom-storescp ]]; then
    cargo install dicom-storescp --version 0.10.1 --locked --root "$target/bench/tools"
fi
echo "machine: $(nproc) cores, $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2), $(uname -sr)"
.venv/bin/python tests/bench/receive.py --bin "$target/release/centinela" --load "$target/release/examples/load" \
    --storescp "$target/bench/tools/bin/dicom-storescp" --corpus "$corpus" --work "$target/bench/work" "$@"
