#!/bin/sh
# An ssh server and client for the tests, unpacked beside the project and never installed: no service is started and
# nobody's keys are touched. Packages come from the sources that this machine is configured for. The last line printed
# is the folder: `bin/` has ssh, sshd and ssh-keygen, `lib/` what they need that this machine may lack.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
folder=${CARGO_TARGET_DIR:-$root/target}/engine/ssh

say() { printf 'ssh: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# The stamp carries the recipe's own checksum: an older recipe's folder is made anew.
recipe=$(cksum <"$root/scripts/ssh.sh")
if [ "$(cat "$folder/ready" 2>/dev/null)" = "$recipe" ]; then
    echo "$folder"
    exit 0
fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    fail "the tests over ssh need a Debian or Ubuntu machine: there is no apt-get or dpkg-deb here"

work=$folder.partial
rm -rf "$work"
mkdir -p "$work/debs" "$work/tree" "$work/bin" "$work/lib"
apt_own() { apt-get -qq -o APT::Sandbox::User=root -o Debug::NoLocking=1 "$@"; }

say "unpacking this release's OpenSSH into $folder"
[ -n "$(find /var/lib/apt/lists -name '*_Packages*' 2>/dev/null | head -n 1)" ] || apt_own update
for package in openssh-server openssh-client libwrap0; do
    (cd "$work/debs" && apt_own download "$package" >&2 2>"$work/apt.log") || {
        cat "$work/apt.log" >&2
        fail "the package $package cannot be downloaded: is the network there, and 'apt-get update' done?"
    }
done
for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/tree"; done
for name in ssh sshd ssh-keygen; do
    found=$(find "$work/tree" -type f -path '*bin/*' -name "$name" | head -n 1)
    [ -n "$found" ] || fail "the packages carried no $name"
    mv "$found" "$work/bin/$name"
done
# Later releases carry the server's inner parts as programs of their own.
find "$work/tree/usr/lib/openssh" -type f -name 'sshd-*' -exec mv {} "$work/bin/" \;
find "$work/tree" -name 'lib*.so*' -exec mv {} "$work/lib/" \;
rm -rf "$work/tree" "$work/debs" "$work/apt.log" "$folder"
printf '%s\n' "$recipe" >"$work/ready"
mv "$work" "$folder"
echo "$folder"
