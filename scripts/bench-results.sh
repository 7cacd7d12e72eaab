#!/usr/bin/env bash
# What it costs to build SR, GSPS and SC of one large film, in milliseconds of CPU time. Under a minute after the build.
# scripts/bench-results.sh [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --quiet --example results
"${CARGO_TARGET_DIR:-target}/release/examples/results" "${1:-20}"
