#!/usr/bin/env bash
# Runs a test program as root where this user is not: cargo's runner for the suites that start an engine of their own.
here=$PWD
. "$(dirname "$0")/lib.sh"
cd "$here"
[ "$(id -u)" != 0 ] || exec "$@"
means=$(root_means)
[ "$means" != impossible ] || die "the tests on a real engine need root, and sudo asks for a password" \
  "Run sudo -v first, or run make test as root."
# shellcheck disable=SC2086 # the means are words: sudo and its flag
exec $means --preserve-env env "PATH=$PATH" "LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}" "$@"
