#!/usr/bin/env bash
# Every fault of tests/it/recovery with many seeds, and the table of what came of it. SEEDS=20 and FIRST=1 change how
# many and which; FAULT=t09 runs one of them. KEEP=FILE keeps a data directory of the schema before, for tests/data-before.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/needs.sh
[[ -n ${CENTINELA_PYTHON:-} ]] || scripts/venv.sh tools
export PATH=$PATH:/usr/sbin # where Debian puts Orthanc
export CENTINELA_PYTHON=${CENTINELA_PYTHON:-$PWD/.venv/bin/python}
export CENTINELA_FAULT_SEEDS=${SEEDS:-20} CENTINELA_FAULT_FIRST=${FIRST:-1}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

# The program before the last change of the schema: T30 lets it leave work, and ours finishes it.
change=$(git log -1 --format=%H -- migrations)
before=$target/before
if [[ $(cat "$before/commit" 2>/dev/null) != "$change" ]]; then
    echo "test-faults.sh: building the program before $(git log -1 --format='%h, %s' "$change")"
    rm -rf "$before/tree" && git worktree prune && mkdir -p "$before"
    git worktree add --quiet --detach "$before/tree" "$change^"
    (cd "$before/tree" && CARGO_TARGET_DIR=$target cargo build --quiet --features failpoints --bin centinela)
    cp "$target/debug/centinela" "$before/centinela"
    git worktree remove --force "$before/tree"
    echo "$change" >"$before/commit"
fi
export CENTINELA_PROGRAM_BEFORE=$before/centinela
[[ -z ${KEEP:-} ]] || CENTINELA_KEEP_BEFORE=$(realpath -m "$KEEP")
[[ -z ${KEEP:-} ]] || export CENTINELA_KEEP_BEFORE

cargo test --features failpoints --test it --no-run
filter=${FAULT:+::${FAULT}_}
filter=${filter:-recovery}
said=$(mktemp)
trap 'rm -f "$said"' EXIT
failed=0
cargo test --features failpoints --test it "$filter" -- --show-output >"$said" 2>&1 || failed=$?
[[ $failed -eq 0 ]] || cat "$said"
echo
echo "commit $(git rev-parse --short HEAD), $(date -u +%F), ${CENTINELA_FAULT_SEEDS} seeds from ${CENTINELA_FAULT_FIRST}"
echo
echo '| fault | what is done | seeds passed | time | descriptors | memory |'
echo '|---|---|---|---|---|---|'
grep '^| T' "$said" | sort
exit "$failed"
