#!/bin/sh
# An engine for the tests, unpacked beside the project and never installed: no service, no user's engine touched.
#
#   scripts/engine.sh           the Docker engine of this machine's own release, with a Compose of version 2 beside it
#   scripts/engine.sh next      the Docker engine of the release after it
#   scripts/engine.sh podman    this release's Podman, with the first one's docker and Compose to speak to its service
#
# Packages come from the sources that this machine is configured for. The last line printed is the folder: `bin/` has
# dockerd, containerd, runc, docker and the rest (podman, conmon, netavark, runc, docker; `lib/` what these need and a
# machine lacks), `cli-plugins/` has docker-compose. A second run is a look at a file.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cache=${CARGO_TARGET_DIR:-$root/target}/engine
which=${1:-own}
folder=$cache/$which

say() { printf 'engine: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

case $which in
own | next | podman) ;;
*) fail "unknown engine '$which': say 'own', 'next' or 'podman'" ;;
esac

# The stamp carries the recipe's own checksum: an older recipe's folder is made anew.
recipe=$(cksum <"$root/scripts/engine.sh")
if [ "$(cat "$folder/ready" 2>/dev/null)" = "$recipe" ]; then
    echo "$folder"
    exit 0
fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    fail "the tests on a real engine need a Debian or Ubuntu machine: there is no apt-get or dpkg-deb here"

. /etc/os-release
codename=${VERSION_CODENAME:?this system does not say its release}
case $codename in
bookworm) next=trixie ;;
trixie) next=forky ;;
jammy) next=noble ;;
noble) next=plucky ;;
*) next= ;;
esac

work=$folder.partial
rm -rf "$work"
mkdir -p "$work/debs" "$work/tree"

# Of the machine's own release, by its own lists; these are fetched only where they are missing.
apt_own() { apt-get -qq -o APT::Sandbox::User=root -o Debug::NoLocking=1 "$@"; }

# Of the next release: its lists live in a private folder, the sources are the machine's with the suite's name replaced.
apt_next() {
    apt-get -qq -o APT::Sandbox::User=root -o Dir::State="$cache/apt" -o Dir::State::status=/dev/null \
        -o Dir::Cache="$cache/apt/cache" -o Dir::Etc::sourcelist="$cache/apt/sources.list" \
        -o Dir::Etc::sourceparts="$cache/apt/sources.list.d" "$@"
}

prepare_next() {
    [ -n "$next" ] || fail "which release follows '$codename' is not known here"
    [ -e "$cache/apt/prepared" ] && return
    rm -rf "$cache/apt"
    mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial" "$cache/apt/sources.list.d"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] && grep -q "$codename" "$file" || continue
        case $file in
        /etc/apt/sources.list) to=$cache/apt/sources.list ;;
        *) to=$cache/apt/sources.list.d/${file##*/} ;;
        esac
        sed "s/$codename/$next/g" "$file" >"$to"
    done
    say "reading the package lists of $next into $cache/apt"
    apt_next update || fail "the package lists of $next cannot be read: is the network there?"
    touch "$cache/apt/prepared"
}

# unpack <apt function> <package>: downloads and unpacks one package, if the release has it.
unpack() {
    (cd "$work/debs" && "$1" download "$2" >&2 2>"$work/apt.log") || return 1
    for deb in "$work/debs/$2"_*.deb; do
        dpkg-deb -x "$deb" "$work/tree"
        rm "$deb"
    done
}

need() {
    unpack "$1" "$2" || { cat "$work/apt.log" >&2; fail "the package $2 cannot be downloaded: is the network there, and 'apt-get update' done?"; }
}

# own_lists: the machine's own package lists, fetched where they are missing.
own_lists() {
    [ -n "$(find /var/lib/apt/lists -name '*_Packages*' 2>/dev/null | head -n 1)" ] || apt_own update
}

# place NAME…: programs out of the unpacked packages to bin/, those that are there.
place() {
    for name in "$@"; do
        found=$(find "$work/tree/usr" "$work/tree/bin" "$work/tree/sbin" -type f -name "$name" 2>/dev/null |
            grep -E '/(s?bin|libexec|lib/podman|libexec/podman)/[^/]*$' | head -n 1)
        [ -z "$found" ] || mv "$found" "$work/bin/$name"
    done
}

# finish NAME…: all of these must be in bin/; then the folder takes its place.
finish() {
    for name in "$@"; do
        [ -x "$work/bin/$name" ] || fail "the packages carried no $name"
    done
    rm -rf "$work/tree" "$work/debs" "$work/apt.log" "$folder"
    printf '%s\n' "$recipe" >"$work/ready"
    mv "$work" "$folder"
    say "ready: $1 in $folder"
    echo "$folder"
}

# libraries PROGRAM…: what they need and this system lacks, by the packages that they depend on.
libraries() {
    mkdir -p "$work/lib"
    for package in $(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances podman conmon | grep -oE '^lib(subid|gpgme|assuan|gpg-error|seccomp|devmapper)[^:]*$' | sort -u); do
        unpack apt_own "$package" || continue
    done
    find "$work/tree" -name 'lib*.so.*' -exec cp -P {} "$work/lib/" \;
    for program in "$@"; do
        missing=$(LD_LIBRARY_PATH=$work/lib ldd "$work/bin/$program" | grep 'not found' || true)
        [ -z "$missing" ] || fail "$program needs what no package brought: $missing"
    done
}

# Podman's service speaks Docker's language: the own engine's docker and Compose talk to it.
unpack_podman() {
    client=$("$root/scripts/engine.sh" own | tail -n 1)
    own_lists
    for package in podman conmon netavark tini runc; do need apt_own "$package"; done
    mkdir -p "$work/bin" "$work/cli-plugins"
    place podman conmon netavark runc
    mv "$(find "$work/tree" -type f -name tini-static | head -n 1)" "$work/bin/docker-init"
    cp "$client/bin/docker" "$work/bin/docker"
    cp "$client/cli-plugins/docker-compose" "$work/cli-plugins/docker-compose"
    libraries podman conmon netavark runc
    finish podman conmon netavark runc docker docker-init
}

say "unpacking the engine of this release's $which packages into $folder"
case $which in
podman)
    unpack_podman
    exit 0
    ;;
own)
    own_lists
    from=apt_own
    ;;
next)
    prepare_next
    from=apt_next
    ;;
esac
need "$from" docker.io
need "$from" containerd
need "$from" tini
# runc is bound to the system's own libraries; it serves any engine.
need apt_own runc
[ -e "$work/tree/usr/bin/docker" ] || need "$from" docker-cli

# Compose of version 2: as the release calls it, else of the next release. The plugin is one static file.
has_compose() { [ -n "$(find "$work/tree" -path '*cli-plugins/docker-compose' | head -n 1)" ]; }
unpack "$from" docker-compose-v2 || true
has_compose || { unpack "$from" docker-compose || true; }
has_compose || { prepare_next; need apt_next docker-compose; }
has_compose || fail "no package of this or the next release carries Compose 2"

mkdir -p "$work/bin" "$work/cli-plugins"
place dockerd docker docker-proxy docker-init containerd containerd-shim-runc-v2 ctr runc
[ -e "$work/bin/docker-init" ] || mv "$(find "$work/tree" -type f -name tini-static | head -n 1)" "$work/bin/docker-init"
mv "$(find "$work/tree" -path '*cli-plugins/docker-compose' | head -n 1)" "$work/cli-plugins/docker-compose"
finish dockerd docker docker-proxy docker-init containerd containerd-shim-runc-v2 runc
