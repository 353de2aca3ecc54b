#!/usr/bin/env bash
# Measures the figures and prints each beside what it is compared with. Wants a quiet machine.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build run test
scripts/ui.sh
scripts/engine.sh >&2

say "Building for release, as users run it"
cargo build --release --workspace --bins
cargo bench -p tinyforge-tests "$@"
