#!/usr/bin/env bash
# Fuzzes everything that reads bytes of a peer: scripts/fuzz.sh [TARGET...], all of them without arguments.
# SECONDS_EACH=60 is how long each target runs. What libFuzzer finds new stays in target/fuzz-corpus; the seeds in
# fuzz/seeds are only read. Exits with 1 after a crash, a hang of 10 s or more than 2 GiB of memory, and says how to see it
# again.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/needs.sh
each=${SECONDS_EACH:-60}
command -v cargo-fuzz >/dev/null || cargo install --quiet --locked cargo-fuzz --version 0.13.2

# The pinned stable compiler takes the flags of the sanitizer only so.
export RUSTC_BOOTSTRAP=1
# -O: debug assertions and overflow checks are as fuzz/Cargo.toml says, not everywhere.
options=(-O --target-dir "${FUZZ_TARGET_DIR:-target/fuzz}")
cargo fuzz build "${options[@]}"

if [[ $# -gt 0 ]]; then
    targets=("$@")
else
    mapfile -t targets < <(cargo fuzz list)
fi
failed=()
for target in "${targets[@]}"; do
    corpus=target/fuzz-corpus/$target artifacts=target/fuzz-artifacts/$target log=target/fuzz-$target.log
    mkdir -p "$corpus" "$artifacts"
    if cargo fuzz run "${options[@]}" "$target" "$corpus" "fuzz/seeds/$target" -- -max_total_time="$each" \
        -rss_limit_mb=2048 -timeout=10 -max_len=16384 -print_final_stats=1 -artifact_prefix="$PWD/$artifacts/" >"$log" 2>&1; then
        echo "$target: $(grep -oP 'number_of_executed_units: *\K.*' "$log") executions in $each s, no crash," \
            "peak $(grep -oP 'peak_rss_mb: *\K.*' "$log") MB"
    else
        failed+=("$target")
        tail -n 40 "$log"
        echo "$target: FAILED. Whole log: $log. Again:"
        find "$artifacts" -type f -newer fuzz/Cargo.toml -printf "    RUSTC_BOOTSTRAP=1 cargo fuzz run ${options[*]} $target %p\n"
    fi
done
if [[ ${#failed[@]} -gt 0 ]]; then
    echo "fuzz.sh: ${failed[*]} failed" >&2
    exit 1
fi
