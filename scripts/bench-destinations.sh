#!/usr/bin/env bash
# Whether a dead destination and one at 1 byte per second slow a healthy one: the time from scheduled to accepted there, with
# and without them in turn. Six minutes, best on a quiet machine. Arguments go to tests/bench/destinations.py: --rounds N,
# --seconds N, --every MS.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
cargo build --release --quiet
cargo build --release --quiet -p centinela-scp --example stream
python3 tests/bench/destinations.py --bin "$target/release" --film tests/dicom-fixtures/dx_opacity.dcm "$@"
