#!/usr/bin/env bash
# Draws every size of the program's icon and the tray's four states from the SVG sources in icons/.
. "$(dirname "$0")/lib.sh"
scripts/setup.sh icons

# draw SVG SIZE PNG
draw() { rsvg-convert --width "$2" --height "$2" "$1" --output "$3"; }

# The small drawing has fewer and thicker parts.
app_icon() { if [ "$1" -le 32 ]; then echo icons/tinyforge-small.svg; else echo icons/tinyforge.svg; fi; }

say "Drawing the program's icon"
for size in 16 24 32 48 64 128 256 512; do
  draw "$(app_icon "$size")" "$size" "icons/${size}x${size}.png"
done
# The names that bundlers look for.
cp icons/256x256.png icons/128x128@2x.png
cp icons/512x512.png icons/icon.png
node scripts/icon-containers.mjs

say "Drawing the tray's states"
for state in fine warn bad away; do
  draw "icons/tray/tray-$state.svg" 32 "icons/tray/tray-$state.png"
done
