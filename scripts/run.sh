#!/usr/bin/env bash
# Opens the window; without a screen runs the daemon in this terminal. PROFILE=release builds the fast program;
# TINYFORGE_DEMO=1 runs it on the simulated engine and looks for no other.
. "$(dirname "$0")/lib.sh"

PROFILE=${PROFILE:-dev}
case $PROFILE in dev) OUT=debug ;; *) OUT=$PROFILE ;; esac

has_screen() { [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || [ "$(uname -s)" != Linux ]; }

# A group that was joined a moment ago holds from the next login; `sg` lends it to one command until then.
exec_with_group() {
  local user
  user=$(id -un)
  if [ "$(id -u)" != 0 ] && have sg && ! id -nG | tr ' ' '\n' | grep -qx docker &&
    getent group docker | cut -d : -f 4 | tr ',' '\n' | grep -qx "$user"; then
    exec sg docker -c "exec $(printf '%q ' "$@")"
  fi
  exec "$@"
}

look_for_engine() {
  [ -z "${TINYFORGE_DEMO:-}" ] || return 0
  scripts/engine-advice.sh || note "Tinyforge starts all the same and takes up the engine as soon as one answers."
}

if has_screen; then
  scripts/setup.sh build run
  look_for_engine
  scripts/ui.sh
  say "Building the window (the first time takes some minutes)"
  cargo build --profile "$PROFILE" -p tinyforge-app
  say "Opening the window"
  exec_with_group "$TARGET/$OUT/tinyforge-app" "$@"
fi

say "No screen here (neither DISPLAY nor WAYLAND_DISPLAY is set): running the daemon in this terminal."
scripts/setup.sh cli
look_for_engine
say "Building the command line (the first time takes some minutes)"
cargo build --profile "$PROFILE" -p tinyforge-cli
say "tinyforge serve runs until Ctrl-C. Ask it from another terminal:"
if [ -n "${TINYFORGE_DEMO:-}" ]; then
  note "TINYFORGE_HOME=(the folder named below) $TARGET/$OUT/tinyforge ps --all"
else
  note "${TINYFORGE_HOME:+TINYFORGE_HOME=$TINYFORGE_HOME }$TARGET/$OUT/tinyforge ps --all"
fi
exec_with_group "$TARGET/$OUT/tinyforge" serve ${TINYFORGE_DEMO:+--demo} "$@"
