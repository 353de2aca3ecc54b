#!/usr/bin/env bash
# Builds a Debian package that holds the window and the command line. The result is under target/release/bundle/deb/.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh build run
scripts/ui.sh

say "Building the programs for release (about ten minutes the first time)"
cargo build --release -p tinyforge-cli

say "Packing"
config=$(printf '{"bundle":{"linux":{"deb":{"files":{"/usr/bin/tinyforge":"%s/release/tinyforge"}}}}}' "$TARGET")
(cd src-tauri && CI=true ../ui/node_modules/.bin/tauri build --bundles deb --ci --config "$config") >&2

say "The package:"
find "$TARGET/release/bundle/deb" -maxdepth 1 -name '*.deb' -print
