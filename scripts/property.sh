#!/usr/bin/env bash
# Any findings on any film become objects that read back: tests/results with 100,000 cases, tests/reports with 5,000, shared
# out to one process per core. CASES=N for another number. Exits with 1 and shows the case that failed.
set -euo pipefail
cd "$(dirname "$0")/.."

processes=$(nproc)
cargo test --release --quiet -p centinela-domain --test results --test reports --no-run
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# run TEST CASES: as many cases as asked, or a few more where they do not divide.
run() {
    local test=$1 each=$((($2 + processes - 1) / processes)) running=() failed=0 begin=$SECONDS
    for ((n = 0; n < processes; n++)); do
        PROPTEST_CASES=$each cargo test --release --quiet -p centinela-domain --test "$test" >"$logs/$n" 2>&1 &
        running+=($!)
    done
    for ((n = 0; n < processes; n++)); do
        wait "${running[n]}" || { failed=1 && cat "$logs/$n"; }
    done
    [[ $failed -eq 0 ]] || exit 1
    echo "tests/$test: $processes x $each cases passed in $((SECONDS - begin)) s"
}

cases=${CASES:-100000}
run results "$cases"
run reports $(((cases + 19) / 20))
