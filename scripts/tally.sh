# shellcheck shell=bash
# How many passed and failed, read from a step's exit code and output. Sourced by test.sh, tested by test-scripts.sh.

# tally KIND CODE LOG: prints "PASSED FAILED". A step that failed without a count is one failure, and so is each test
# that was left out: no test is skipped here.
#   check     one check, by its exit code
#   cargo     cargo test's "test result:" lines
#   vitest    vitest's "Tests" line
#   counted   a script that ends with "N passed, N failed"
tally() {
  local kind=$1 code=$2 log=$3 passed=0 failed=0
  case $kind in
    check) if [ "$code" = 0 ]; then passed=1; fi ;;
    cargo)
      read -r passed failed < <(awk '
        /^test result: / {
          for (i = 2; i <= NF; i++) {
            if ($i ~ /^passed/) p += $(i - 1)
            if ($i ~ /^(failed|ignored)/) f += $(i - 1)
          }
        }
        END { print p + 0, f + 0 }' "$log")
      ;;
    vitest)
      read -r passed failed < <(sed 's/\x1b\[[0-9;]*m//g' "$log" | awk '
        /^ *Tests  / {
          for (i = 2; i <= NF; i++) {
            if ($i == "passed") p += $(i - 1)
            if ($i ~ /^(failed|skipped|todo)$/) f += $(i - 1)
          }
        }
        END { print p + 0, f + 0 }')
      ;;
    counted)
      read -r passed failed < <(awk '/^[0-9]+ passed, [0-9]+ failed$/ { p = $1; f = $3 } END { print p + 0, f + 0 }' "$log")
      ;;
  esac
  if [ "$code" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
  echo "$passed $failed"
}
