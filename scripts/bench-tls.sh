#!/usr/bin/env bash
# What TLS costs: the acceptor of scp/, plain and by TLS in turn, on the same bytes over loopback, every instance synced
# before its answer. Prints MB/s of each round and the median of the ratios TLS / plain.
# Usage: bench-tls.sh [rounds [megabytes of an instance [instances]]]
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5} megabytes=${2:-10} instances=${3:-32}

cargo build --release --quiet -p centinela-scp --examples
examples=${CARGO_TARGET_DIR:-target}/release/examples
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tests/it/scripts/certificates.sh "$work"
# The receiver does not look into data sets: a header, then noise.
{ cat tests/dicom-fixtures/hip.dcm; head -c $((megabytes << 20)) /dev/urandom; } >"$work/film.dcm"
mapfile -t films < <(for ((n = 0; n < instances; n++)); do echo "$work/film.dcm"; done)

measure() { # measure plain|tls: MB/s
    local server=() client=() begin end receiver port
    if [[ $1 == tls ]]; then
        server=(--tls "$work/node.pem" "$work/node.key" --ca "$work/ca.pem")
        client=(--tls "$work/ca.pem" --own "$work/CR1.pem" "$work/CR1.key")
    fi
    mkdir "$work/kept"
    : >"$work/receive.log"
    "$examples/receive" 0 "$work/kept" "${server[@]}" >"$work/receive.log" &
    receiver=$!
    until port=$(sed -n 's/^listening port=//p' "$work/receive.log") && [[ -n $port ]]; do sleep 0.05; done
    begin=$(date +%s%N)
    "$examples/send" RECEIVE 127.0.0.1 "$port" "${client[@]}" "${films[@]}" >"$work/send.log"
    end=$(date +%s%N)
    kill "$receiver" && wait "$receiver" 2>/dev/null || true
    rm -r "$work/kept"
    [[ $(grep -c '^C-STORE 0x0000' "$work/send.log") == "$instances" ]] || { cat "$work/send.log" >&2; exit 1; }
    awk -v ns=$((end - begin)) -v bytes=$((instances * $(stat -c %s "$work/film.dcm"))) 'BEGIN { printf "%.1f\n", bytes / ns * 1000 }'
}

for ((round = 1; round <= rounds; round++)); do
    plain=$(measure plain)
    secure=$(measure tls)
    echo "round $round: plain $plain MB/s, TLS $secure MB/s"
    awk -v a="$secure" -v b="$plain" 'BEGIN { print a / b }' >>"$work/ratios"
done
sort -g "$work/ratios" | awk '{ r[NR] = $1 } END { printf "TLS / plain, median of %d rounds: %.2f\n", NR, r[int((NR + 1) / 2)] }'
