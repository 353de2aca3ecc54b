#!/bin/sh
# A Docker engine for the tests, unpacked beside the project and never installed: no service, no user's engine touched.
#
#   scripts/engine.sh         the engine of this machine's own release, with a Compose of version 2 beside it
#   scripts/engine.sh next    the engine of the release after it
#
# Packages come from the sources that this machine is configured for. The last line printed is the folder: `bin/` has
# dockerd, containerd, runc, docker and the rest, `cli-plugins/` has docker-compose. A second run is a look at a file.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cache=${CARGO_TARGET_DIR:-$root/target}/engine
which=${1:-own}
folder=$cache/$which

say() { printf 'engine: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

case $which in
own | next) ;;
*) fail "unknown engine '$which': say 'own' or 'next'" ;;
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

say "unpacking the engine of this release's $which packages into $folder"
if [ "$which" = own ]; then
    [ -n "$(find /var/lib/apt/lists -name '*_Packages*' 2>/dev/null | head -n 1)" ] || apt_own update
    from=apt_own
else
    prepare_next
    from=apt_next
fi
need $from docker.io
need $from containerd
need $from tini
# runc is bound to the system's own libraries; it serves any engine.
need apt_own runc
[ -e "$work/tree/usr/bin/docker" ] || need $from docker-cli

# Compose of version 2: as the release calls it, else of the next release. The plugin is one static file.
has_compose() { [ -n "$(find "$work/tree" -path '*cli-plugins/docker-compose' | head -n 1)" ]; }
unpack $from docker-compose-v2 || true
has_compose || { unpack $from docker-compose || true; }
has_compose || { prepare_next; need apt_next docker-compose; }
has_compose || fail "no package of this or the next release carries Compose 2"

mkdir -p "$work/bin" "$work/cli-plugins"
for name in dockerd docker docker-proxy docker-init containerd containerd-shim-runc-v2 ctr runc; do
    found=$(find "$work/tree/usr/bin" "$work/tree/usr/sbin" "$work/tree/usr/libexec" -type f -name "$name" 2>/dev/null | head -n 1)
    [ -z "$found" ] || mv "$found" "$work/bin/$name"
done
[ -e "$work/bin/docker-init" ] || mv "$(find "$work/tree" -type f -name tini-static | head -n 1)" "$work/bin/docker-init"
mv "$(find "$work/tree" -path '*cli-plugins/docker-compose' | head -n 1)" "$work/cli-plugins/docker-compose"
for name in dockerd docker docker-proxy docker-init containerd containerd-shim-runc-v2 runc; do
    [ -x "$work/bin/$name" ] || fail "the packages carried no $name"
done
rm -rf "$work/tree" "$work/debs" "$work/apt.log" "$folder"
printf '%s\n' "$recipe" >"$work/ready"
mv "$work" "$folder"
say "ready: $("$folder/bin/dockerd" --version)"
echo "$folder"
