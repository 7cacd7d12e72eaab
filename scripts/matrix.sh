#!/usr/bin/env bash
# Real films, which are no part of the project, through the whole road, judged by an independent checker.
# FULL=1: the full product of the covering set's properties instead, resumable; EVERY=19 takes each 19th study of it.
# scripts/matrix.sh [FOLDER]: FOLDER (default ../shared) holds kit/check_results.py, data/dicom and data/cxr.
set -euo pipefail
cd "$(dirname "$0")/.."

films=${1:-../shared}
if [[ ! -f $films/kit/check_results.py ]]; then
    echo "matrix.sh: $films has no kit/check_results.py. Give the folder of real films: scripts/matrix.sh FOLDER" >&2
    exit 1
fi
scripts/needs.sh
scripts/venv.sh tools
export PATH=$PATH:/usr/sbin # where Debian puts Orthanc
cargo build --features failpoints --bin centinela
cargo build -p xtask
full=()
if [[ ${FULL:-} == 1 ]]; then
    full=(--full "${CARGO_TARGET_DIR:-target}/matrix-full-${EVERY:-1}.json" --every "${EVERY:-1}")
fi
.venv/bin/python tests/matrix/run.py --shared "$films" --bin "${CARGO_TARGET_DIR:-target}/debug/centinela" "${full[@]}"
