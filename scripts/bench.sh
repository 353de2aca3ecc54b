#!/usr/bin/env bash
# Measures the figures and prints each beside what it is compared with. Wants a quiet machine and root.
#
#   scripts/bench.sh               every group
#   scripts/bench.sh idle pass     these groups
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build run test
scripts/ui.sh
scripts/engine.sh >&2

say "Building for release, as users run it"
cargo build --release -p tinyforge-cli -p tinyforge-app
cargo bench -p tinyforge-tests --bench figures -- "$@"
