#!/usr/bin/env bash
# Runs everything and ends with "N passed, N failed" alone on the last line. One suite's failure does not keep the
# others from running; the exit code is 0 only if nothing failed.
#
#   test.sh            everything
#   test.sh checks     formatting, lints, types, scripts and the tidy test
#   test.sh window     only what drives the real window; leaves pictures of every page in target/pictures/
#   test.sh NAME…      only the named targets of tests/ (store, tidy, …)
#
# TINYFORGE_SOAK=1 lets the suites run their full counts. Each step's output stays in target/test-logs/.
. "$(dirname "$0")/lib.sh"
. scripts/tally.sh

LOGS=$TARGET/test-logs
PASSED=0 FAILED=0 STEP=0
BROKEN=()
# A suite that hangs must not take the others with it. Far above what any needs; the full counts take hours.
STEP_DEADLINE_S=1500
[ -z "${TINYFORGE_SOAK:-}" ] || STEP_DEADLINE_S=43200

RUNNING=
interrupted() {
  [ -z "$RUNNING" ] || kill -TERM "$RUNNING" 2>/dev/null || true
  die "interrupted"
}
trap interrupted INT TERM

# step KIND NAME COMMAND…: runs it, keeps and shows its output, adds what it counted. KIND says how counts are read.
# The output goes to a file and not through a pipe: something a test left behind would hold a pipe open for ever.
step() {
  local kind=$1 name=$2 log code=0 began=$SECONDS passed failed viewer
  shift 2
  STEP=$((STEP + 1))
  log=$LOGS/$(printf '%02d' "$STEP")-${name//[^a-zA-Z0-9]/-}.log
  say "$name"
  : >"$log"
  # A background job starts with Ctrl-C ignored; the programs under test must not inherit that.
  env --default-signal=INT,QUIT timeout --kill-after=30 "$STEP_DEADLINE_S" "$@" </dev/null >"$log" 2>&1 &
  RUNNING=$!
  tail -n +1 -s 0.2 --pid="$RUNNING" -f "$log" &
  viewer=$!
  wait "$RUNNING" || code=$?
  wait "$viewer" || true
  RUNNING=
  [ "$code" != 124 ] || echo "$name was ended after $STEP_DEADLINE_S s" | tee -a "$log"
  read -r passed failed < <(tally "$kind" "$code" "$log")
  PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
  if [ "$failed" -gt 0 ]; then BROKEN+=("$name ($failed failed): $log"); fi
  note "$name: $passed passed, $failed failed, $((SECONDS - began)) s"
}

# The targets of tests/Cargo.toml and where their sources lie, as cargo knows them: nothing is listed by hand.
test_targets() {
  cargo metadata --no-deps --format-version 1 | node -e '
    const { packages } = JSON.parse(require("fs").readFileSync(0, "utf8"));
    for (const p of packages) for (const t of p.targets)
      if (t.kind.includes("test")) console.log(t.name, t.src_path);'
}

# Whether a target's own sources speak of an engine of their own, which root alone can start.
starts_an_engine() {
  local sources=$1
  [ "$(basename "$sources")" != main.rs ] || sources=$(dirname "$sources")
  grep -rqs RealEngine "$sources"
}

# Suites that measure an engine or look at a screen run one test at a time. Those of faults wait most of their time; what
# they measure they measure alone.
threads_for() {
  case $1 in
    */tests/docker/* | */tests/window/*) echo 1 ;;
    */tests/faults/*) echo 4 ;;
    *) nproc ;;
  esac
}

# The runner's name carries the machine's triple: CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER.
runner_variable() {
  rustc -vV | awk '/^host:/ { gsub("-", "_", $2); print "CARGO_TARGET_" toupper($2) "_RUNNER" }'
}

cargo_target() {
  local name=$1 path=$2 around=()
  if [ "$(id -u)" != 0 ] && starts_an_engine "$path"; then
    around=(env "$(runner_variable)=$ROOT/scripts/as-root.sh")
  fi
  # Of the whole workspace even for one target: with other packages the libraries would be built again, otherwise.
  step cargo "$name" "${around[@]}" cargo test --workspace --test "$name" -- --test-threads="$(threads_for "$path")"
}

prepare() {
  say "Setting up"
  local began=$SECONDS
  scripts/setup.sh build run test && scripts/ui.sh || return 1
  note "set-up: $((SECONDS - began)) s"
}

# Without it nothing can be run, and the last line says so all the same.
prepare_or_count() {
  (prepare) && return 0
  echo "0 passed, 1 failed"
  exit 1
}

# The engines of the suites below tests/docker and tests/window, and an ssh before them, unpacked below target/.
engines() {
  local release
  step check "ssh" flock scripts/ssh.sh scripts/ssh.sh
  for release in "$@"; do
    step check "engine: $release" flock scripts/engine.sh scripts/engine.sh "$release"
  done
}

checks() {
  step check "scripts: shellcheck" shellcheck .ci/run scripts/*.sh
  step counted "scripts: decisions" scripts/test-scripts.sh
  step check "rustfmt" cargo fmt --all --check
  step check "prettier" npm --prefix ui run --silent format:check
  step check "eslint" npm --prefix ui run --silent lint
  step check "svelte-check" npm --prefix ui run --silent check
  step check "clippy" cargo clippy --workspace --all-targets --quiet -- -D warnings
}

everything() {
  checks
  step vitest "ui: vitest" npm --prefix ui run --silent test
  engines own next podman
  # Built once for all: some suites start these programs.
  step check "build" cargo build --workspace --bins --quiet
  step cargo "unit tests" cargo test --workspace --lib --bins --no-fail-fast
  step cargo "examples in the documentation" cargo test --workspace --doc --no-fail-fast
  local name path
  while read -r name path; do cargo_target "$name" "$path"; done < <(test_targets)
}

# only PATTERN…: the targets whose name or folder is named.
only() {
  local name path wanted found
  engines own next podman
  step check "build" cargo build --workspace --bins --quiet
  for wanted in "$@"; do
    found=no
    while read -r name path; do
      if [ "$name" = "$wanted" ] || [[ $path == */tests/$wanted/* ]]; then
        found=yes
        cargo_target "$name" "$path"
      fi
    done < <(test_targets)
    [ "$found" = yes ] || die "no test target is called $wanted" "There are: $(test_targets | awk '{ printf "%s ", $1 }')"
  done
}

began=$SECONDS
mkdir -p "$LOGS"
rm -f "$LOGS"/*.log
prepare_or_count
case ${1:-everything} in
  everything) everything ;;
  checks)
    checks
    step cargo tidy cargo test --workspace --test tidy
    ;;
  window)
    export TINYFORGE_PICTURES=$TARGET/pictures
    only window
    ;;
  *) only "$@" ;;
esac

say "All of it took $(((SECONDS - began) / 60)) min $(((SECONDS - began) % 60)) s"
for line in ${BROKEN[@]+"${BROKEN[@]}"}; do say "FAILED: $line"; done
echo "$PASSED passed, $FAILED failed"
[ "$FAILED" = 0 ]
