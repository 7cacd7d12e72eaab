#!/usr/bin/env bash
# Builds the program and shows the whole road on this machine: a node, a PACS beside it, films, and what came back.
# Arguments go to `centinela demo`, for example: scripts/demo.sh --input FOLDER --out FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."

seconds() { awk -v from="$1" -v to="$(date +%s.%N)" 'BEGIN { printf "%.1f", to - from }'; }

if ! command -v cc >/dev/null; then
    echo "demo.sh: a C compiler is missing (SQLite and the linker need it). On Debian or Ubuntu: apt-get install gcc libc6-dev" >&2
    exit 1
fi

echo "demo: building; the first time takes some minutes"
begin=$(date +%s.%N)
cargo build --release --bin centinela
echo "demo: built in $(seconds "$begin") s"

built=$(date +%s.%N)
"${CARGO_TARGET_DIR:-target}/release/centinela" demo "$@"
# The program ends when the last object is in the PACS.
echo "demo: $(seconds "$built") s from the end of the build to the last object in the PACS"
