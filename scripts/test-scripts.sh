#!/usr/bin/env bash
# Tests what the scripts decide: when an engine may be installed, and how results are counted.
. "$(dirname "$0")/lib.sh"
. scripts/tally.sh
. scripts/engine-advice.sh

PASSED=0 FAILED=0
expect() {
  local what=$1 wanted=$2 got=$3
  if [ "$wanted" = "$got" ]; then
    PASSED=$((PASSED + 1))
  else
    FAILED=$((FAILED + 1))
    echo "FAILED $what: wanted '$wanted', got '$got'"
  fi
}

# One row a line: the facts in decide's order, then the decision. `*` stands for every value of that fact.
DECISIONS='
# host    reach    engine      client  apt  root  tty   decision
  *       ok       *           *       *    *     *     use
  *       denied   *           *       *    *     *     explain-denied
  named   refused  *           *       *    *     *     explain-named
  named   absent   *           *       *    *     *     explain-named
  named   remote   *           *       *    *     *     use
  default refused  docker      *       *    *     *     explain-docker
  default absent   docker      *       *    *     *     explain-docker
  default refused  desktop     *       *    *     *     explain-desktop
  default absent   desktop     *       *    *     *     explain-desktop
  default refused  podman      *       *    *     *     explain-podman
  default absent   podman      *       *    *     *     explain-podman
  default refused  containerd  *       *    *     *     explain-containerd
  default absent   containerd  *       *    *     *     explain-containerd
  default refused  none        yes     *    *     *     explain-client
  default absent   none        yes     *    *     *     explain-client
  default absent   none        no      no   *     *     explain-absent
  default absent   none        no      yes  no    *     explain-absent
  default absent   none        no      yes  yes   yes   ask
  default absent   none        no      yes  yes   no    install
  default refused  none        no      *    *     *     explain-stranger
'

values() {
  if [ "$1" != '*' ]; then echo "$1"; return; fi
  case $2 in
    host) echo default named ;;
    engine) echo docker desktop podman containerd none ;;
    *) echo yes no ;;
  esac
}

every_row() {
  local host reach engine client apt root tty wanted h e c a r t got wrong
  while read -r host reach engine client apt root tty wanted; do
    case $host in '' | '#') continue ;; esac
    wrong=
    for h in $(values "$host" host); do for e in $(values "$engine" engine); do for c in $(values "$client" client); do
      for a in $(values "$apt" apt); do for r in $(values "$root" root); do for t in $(values "$tty" tty); do
        got=$(decide "$h" "$reach" "$e" "$c" "$a" "$r" "$t")
        [ "$got" = "$wanted" ] || wrong+=" [$h $reach $e $c $a $r $t: $got]"
        SEEN+="$h $reach $e $c $a $r $t"$'\n'
      done; done; done
    done; done; done
    expect "decide $host $reach $engine $client $apt $root $tty -> $wanted" "" "$wrong"
  done <<<"$DECISIONS"
}

# The table speaks of every combination, and of none twice.
every_combination() {
  local distinct
  distinct=$(sort -u <<<"${SEEN%$'\n'}" | wc -l)
  expect "combinations without a double" "$distinct" "$(wc -l <<<"${SEEN%$'\n'}")"
  # A place nobody named is never remote: 2 × 4 + 1 hosts and answers, times the rest.
  expect "combinations covered" $((9 * 5 * 2 * 2 * 2 * 2)) "$distinct"
}

# Installing happens only on a machine where nothing of the kind is.
never_beside_another() {
  local line beside=
  while read -r line; do
    # shellcheck disable=SC2086 # the row's words are the arguments
    case $(decide $line) in
      ask | install) [ "${line% yes yes *}" = "default absent none no" ] || beside+=" [$line]" ;;
    esac
  done <<<"${SEEN%$'\n'}"
  expect "installs only where nothing of the kind is" "" "$beside"
}

count() {
  local log
  log=$(mktemp)
  printf '%b' "$3" >"$log"
  tally "$1" "$2" "$log"
  rm -f "$log"
}

counts() {
  expect "a check that passes" "1 0" "$(count check 0 '')"
  expect "a check that fails" "0 1" "$(count check 1 'anything')"
  expect "cargo adds its binaries up" "5 1" "$(count cargo 101 \
    'test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured\ntest result: FAILED. 2 passed; 1 failed; 0 ignored\n')"
  expect "cargo: an ignored test is a failure" "3 1" "$(count cargo 0 'test result: ok. 3 passed; 0 failed; 1 ignored;\n')"
  expect "cargo: what does not compile is a failure" "0 1" "$(count cargo 101 'error: could not compile\n')"
  expect "cargo: a crash after good results is a failure" "3 1" "$(count cargo 101 'test result: ok. 3 passed; 0 failed; 0 ignored;\n')"
  expect "vitest, coloured" "12 0" "$(count vitest 0 '\x1b[2m      Tests \x1b[22m \x1b[32m12 passed\x1b[39m (12)\n')"
  expect "vitest with a failure" "11 1" "$(count vitest 1 ' Test Files  1 failed (1)\n      Tests  1 failed | 11 passed (12)\n')"
  expect "vitest: a skipped test is a failure" "11 1" "$(count vitest 0 '      Tests  11 passed | 1 skipped (12)\n')"
  expect "a counting script" "7 0" "$(count counted 0 'chatter\n7 passed, 0 failed\n')"
  expect "a counting script that broke" "0 1" "$(count counted 3 '')"
}

versions() {
  local have want answer
  while read -r have want answer; do
    expect "version $have against $want" "$answer" "$(version_at_least "$have" "$want" && echo enough || echo old)"
  done <<'ROWS'
1.95.0 1.95.0 enough
1.100.0 1.95.0 enough
1.94.1 1.95.0 old
20.19.0 20.19.0 enough
22.1.0 20.19.0 enough
18.20.4 20.19.0 old
9.0.0 20.19.0 old
ROWS
}

SEEN=
every_row
every_combination
never_beside_another
counts
versions
echo "$PASSED passed, $FAILED failed"
[ "$FAILED" = 0 ]
