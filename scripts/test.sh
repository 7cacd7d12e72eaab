#!/usr/bin/env bash
# All tests: units, documentation examples, and tests/it, which starts the real program and speaks DICOM with it.
# Arguments go to cargo test, for example: scripts/test.sh --test it kill
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/needs.sh
scripts/venv.sh tools

export PATH=$PATH:/usr/sbin # where Debian puts Orthanc
export CENTINELA_PYTHON=$PWD/.venv/bin/python
# The kill tests need a program with failpoints, so everything is built with them, once.
if [[ $# -eq 0 ]]; then
    set -- -- --show-output # the figures that tests measure, such as the milliseconds of the whole road
fi
cargo test --workspace --features centinela/failpoints "$@"
