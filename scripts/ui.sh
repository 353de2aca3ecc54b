#!/usr/bin/env bash
# Installs the window's packages and builds ui/dist, each only if what it is made of has changed.
. "$(dirname "$0")/lib.sh"

# The digest of every file that `ui/dist` is made of. It is kept outside dist, whose every file goes into the program.
inputs() {
  {
    node --version
    find ui -type d \( -name node_modules -o -name dist \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  } | sha256sum | cut -d ' ' -f 1
}

install_modules() {
  local stamp=ui/node_modules/.lock.sha256 want
  want=$(sha256sum <ui/package-lock.json)
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && return 0
  say "Installing the window's packages (npm ci)"
  (cd ui && npm ci --no-audit --no-fund --loglevel=error) >&2 || die "npm ci failed in ui/" "Its own words stand above."
  printf '%s\n' "$want" >"$stamp"
}

build() {
  local stamp=$TARGET/ui.sha256 want
  want=$(inputs)
  [ -f ui/dist/index.html ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && return 0
  say "Building the window's pages (vite build)"
  (cd ui && npm run --silent build) >&2 || die "the window's pages could not be built" "vite's own words stand above."
  mkdir -p "$TARGET"
  printf '%s\n' "$want" >"$stamp"
}

both() {
  install_modules
  build
}
with_checkout_lock both
