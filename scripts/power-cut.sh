#!/usr/bin/env bash
# Cuts the power of a file system right after our success answers, and counts what is lost; then the same for DCMTK and
# Orthanc. Root, because it mounts. ROUNDS=20 and PEER_ROUNDS=5 change how often, PROFILE=dev takes a quicker build.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ $(id -u) -ne 0 ]]; then
    echo "power-cut.sh: mounting a file system needs root: sudo make power-cut" >&2
    exit 1
fi
scripts/needs.sh
export PATH=$PATH:/usr/sbin # where Debian puts Orthanc

profile=${PROFILE:-release}
cargo build --quiet --profile "$profile" --bin centinela
cargo build --quiet --profile "$profile" -p centinela-scp --example send
target=${CARGO_TARGET_DIR:-target}
built=$target/${profile/#dev/debug}

work=$(mktemp -d "${POWER_CUT_DIR:-$target}/power-cut.XXXXXX") # not in /tmp, which may be memory
trap 'rm -rf "$work"' EXIT
cargo xtask fixtures --large "$work/large" --count 1 >/dev/null 2>&1

python3 tests/power-cut/power_cut.py --binary "$built/centinela" --send "$built/examples/send" \
    --large "$(echo "$work"/large/*.dcm)" --work "$work" \
    --rounds "${ROUNDS:-20}" --peer-rounds "${PEER_ROUNDS:-5}"
