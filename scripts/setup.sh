#!/usr/bin/env bash
# Installs what the named purposes need and leaves alone what is there. Purposes:
#   cli    building the command line        build  building everything
#   run    showing the window               test   running the tests
#   demo   the demo's images                icons  drawing icons/ again
# Never installs a Docker engine: that is scripts/engine-advice.sh, and only `make run` asks for it.
. "$(dirname "$0")/lib.sh"

RUST_WANTED=1.95.0
NODE_WANTED=20.19.0

CLI_PACKAGES=(build-essential git)
BUILD_PACKAGES=("${CLI_PACKAGES[@]}" pkg-config libwebkit2gtk-4.1-dev libdbus-1-dev)
# The window's own: the tray's library is opened at run time, the bus carries tray and notifications.
RUN_PACKAGES=(libayatana-appindicator3-1 dbus fonts-dejavu-core)
# Beside a screen, a bus and a driver for the window: what a real engine and its containers are made of, and what makes
# real faults: of calls to the system, of disks, of clocks.
TEST_PACKAGES=(
  xvfb xauth webkit2gtk-driver dunst imagemagick xdotool x11-utils libglib2.0-bin
  iptables iproute2 busybox-static shellcheck
  strace e2fsprogs libfaketime
)
DEMO_PACKAGES=(busybox-static)
ICON_PACKAGES=(librsvg2-bin)

packages_for() {
  case $1 in
    cli) install_packages "building the command line" "${CLI_PACKAGES[@]}" ;;
    build) install_packages "building" "${BUILD_PACKAGES[@]}" ;;
    run) install_packages "the window" "${RUN_PACKAGES[@]}" ;;
    test) install_packages "the tests" "${TEST_PACKAGES[@]}" ;;
    demo) install_packages "the demo" "${DEMO_PACKAGES[@]}" ;;
    icons) install_packages "drawing the icons" "${ICON_PACKAGES[@]}" ;;
    *) die "unknown purpose: $1" "Purposes: cli build run test demo icons" ;;
  esac
}

need_rust() {
  local found
  for found in cargo rustc; do
    have "$found" || die "Rust is not installed: no $found on the path" \
      "Install it with rustup, from https://rustup.rs, then open a new shell. Needed: Rust $RUST_WANTED or newer."
  done
  found=$(rustc --version | awk '{ print $2 }')
  version_at_least "${found%%-*}" "$RUST_WANTED" || die "Rust $found is too old; needed: $RUST_WANTED or newer" \
    "With rustup: rustup update stable && rustup default stable" "From: $(command -v rustc)"
}

# Formatting and lints are components of their own; a minimal toolchain lacks them.
need_rust_components() {
  cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return 0
  have rustup || die "cargo fmt or cargo clippy is missing" "Install rustfmt and clippy of the same Rust as $(command -v rustc)."
  say "Adding rustfmt and clippy to the Rust toolchain"
  rustup component add rustfmt clippy >&2
}

need_node() {
  local found
  for found in node npm; do
    have "$found" || die "Node.js is not installed: no $found on the path" \
      "Needed: Node.js $NODE_WANTED or newer, from https://nodejs.org or your distribution."
  done
  found=$(node --version)
  version_at_least "${found#v}" "$NODE_WANTED" || die "Node.js ${found#v} is too old; needed: $NODE_WANTED or newer" \
    "From: $(command -v node)"
}

[ $# -gt 0 ] || set -- build run test
if [ "$(uname -s)" != Linux ]; then
  note "This is $(uname -s): only Linux is proved. System packages are yours to install."
elif ! have apt-get; then
  note "No apt-get here: on this system the packages are yours to install. Debian calls them:"
  note "${BUILD_PACKAGES[*]} ${RUN_PACKAGES[*]}"
else
  for purpose in "$@"; do packages_for "$purpose"; done
fi
for purpose in "$@"; do
  case $purpose in
    cli | build) need_rust; need_node ;;
    test) need_rust; need_rust_components; need_node ;;
    demo) need_node ;;
  esac
done
