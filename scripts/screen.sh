#!/usr/bin/env bash
# Runs a command on a screen and a session bus of its own: nothing shows up on yours.
here=$PWD
. "$(dirname "$0")/lib.sh"
cd "$here"
unset WAYLAND_DISPLAY
exec xvfb-run --auto-servernum --server-args='-screen 0 1280x900x24 -nolisten tcp' dbus-run-session -- "$@"
