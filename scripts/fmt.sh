#!/usr/bin/env bash
# Formats every file.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh test
scripts/ui.sh
cargo fmt --all
(cd ui && npm run --silent format)
