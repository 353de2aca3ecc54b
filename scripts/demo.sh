#!/usr/bin/env bash
# Shows Tinyforge something to look at: containers in every state on your engine, all called tfdemo-…, or,
# where no engine answers, the program on its simulated engine. `demo.sh clean` removes exactly what it made.
. "$(dirname "$0")/lib.sh"

read -r answer endpoint < <(scripts/engine-advice.sh reach)

if [ "${1:-}" = clean ]; then
  [ "$answer" = ok ] || die "no engine answers at $endpoint, so there is nothing to be removed from it"
  exec node scripts/demo.mjs clean "$endpoint"
fi

# Its own data folder: a demo leaves no trace in yours.
export TINYFORGE_HOME=${TINYFORGE_HOME:-$TARGET/demo-home}

if [ "$answer" != ok ]; then
  say "No engine that can be used directly: showing Tinyforge on its simulated engine."
  scripts/engine-advice.sh look || true
  export TINYFORGE_DEMO=1
  exec scripts/run.sh
fi

scripts/setup.sh demo
say "Your engine at $endpoint gets containers and images called tfdemo-…, labelled dev.tinyforge.demo."
note "Nothing else on it is touched. make demo-clean removes them again."
node scripts/demo.mjs make "$endpoint"
exec scripts/run.sh
