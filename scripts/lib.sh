# shellcheck shell=bash
# What the other scripts share. Sourced, never run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
export ROOT

export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a
# A fresh rustup is often not on the path of a shell that does not log in.
[ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ] && PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
# iptables, dockerd and their like live there, and an ordinary user's path often omits it.
export PATH="$PATH:/usr/sbin:/sbin"

TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
export TARGET
# A build that runs once gains nothing from incremental files, and they double its size.
[ -n "${CI:-}" ] && export CARGO_INCREMENTAL=0

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then BOLD=$'\e[1m' PLAIN=$'\e[0m'; else BOLD='' PLAIN=''; fi

say() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
die() {
  printf '%s==> stopped:%s %s\n' "$BOLD" "$PLAIN" "$1" >&2
  shift
  local line
  for line in "$@"; do note "$line"; done
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }
interactive() { [ -t 0 ] && [ -t 2 ] && [ -z "${CI:-}" ]; }

# ask QUESTION: yes by default, and only asked where somebody can answer.
ask() {
  local answer
  printf '    %s [Y/n] ' "$1" >&2
  read -r answer || return 1
  case $answer in '' | [Yy]*) return 0 ;; *) return 1 ;; esac
}

# How this user becomes root: "" (is root), "sudo -n", "sudo", or "impossible".
root_means() {
  if [ "$(id -u)" = 0 ]; then
    echo ""
  elif have sudo && sudo -n true 2>/dev/null; then
    echo "sudo -n"
  elif have sudo && interactive; then
    echo "sudo"
  else
    echo "impossible"
  fi
}

as_root() {
  local means
  means=$(root_means)
  if [ "$means" = impossible ]; then
    die "this needs root, and this user cannot become root without being asked for a password: $*" \
      "Run it once as root, then start again."
  fi
  # shellcheck disable=SC2086 # the means are words: sudo and its flag
  $means env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a "$@"
}

# version_at_least HAVE WANT, for dotted numbers.
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

package_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Two runs at once must not meet inside the package manager: they wait here for each other. The folder belongs to
# dpkg and is only opened for reading, so that every user can take part.
with_package_lock() {
  if have flock && [ -d /var/lib/dpkg ]; then
    (
      exec 9</var/lib/dpkg
      flock -n 9 || { note "waiting for another set-up to finish"; flock 9; }
      "$@"
    )
  else
    "$@"
  fi
}

# The same for what one checkout shares between its runs.
with_checkout_lock() {
  if have flock; then
    (
      exec 8<"$ROOT/scripts"
      flock 8
      "$@"
    )
  else
    "$@"
  fi
}

# A run that the user's own package manager is blocking waits; a mirror that stumbles is asked again.
apt_patiently() {
  local attempt
  for attempt in 1 2 3 4; do
    as_root apt-get -q -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@" >&2 && return 0
    [ "$attempt" = 4 ] || { note "apt-get $1 failed; trying again in $((attempt * 5)) s"; sleep $((attempt * 5)); }
  done
  return 1
}

# install_packages PURPOSE PACKAGE…: installs those that are missing, and is silent and quick where none is.
install_packages() {
  local purpose=$1 package
  shift
  local missing=()
  for package in "$@"; do package_installed "$package" || missing+=("$package"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Installing for $purpose: ${missing[*]}"
  with_package_lock install_now "${missing[@]}"
}

install_now() {
  [ "$(root_means)" != impossible ] || die "missing packages: $*" \
    "This user cannot become root without being asked for a password. Run this once, then start again:" \
    "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $*"
  # Lists that are there already may do; a bare machine has none, an old one has outdated ones.
  if ! as_root apt-get -s -q install --no-install-recommends "$@" >/dev/null 2>&1; then
    apt_patiently update || die "the package lists could not be fetched" "Look at /etc/apt/sources.list and the network."
  fi
  apt_patiently install --no-install-recommends "$@" && return 0
  apt_patiently update && apt_patiently install --no-install-recommends "$@" && return 0
  die "these packages could not be installed: $*" "apt's own words stand above."
}
