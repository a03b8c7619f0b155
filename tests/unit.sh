#!/bin/sh
# SPDX-License-Identifier: MIT
# Run unit test programs, named as arguments, under the command in UNDER if it is set.
# Prints the whole output of those that fail, and one line of summary.
set -u

log=$(mktemp)
trap 'rm -f "$log"' EXIT
programs=0 failed=0 cases=0

for program in "$@"; do
    programs=$((programs + 1))
    # shellcheck disable=SC2086 # UNDER is a command with its options
    ${UNDER-} "$program" >"$log" 2>&1
    status=$?
    passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log")
    cases=$((cases + ${passed:-0}))
    if test "$status" != 0 || test "${passed:-0}" = 0; then
        failed=$((failed + 1))
        echo "unit: $program failed (status $status):"
        cat "$log"
    fi
done

echo "unit: $programs programs, $cases tests passed, $failed programs failed"
test "$failed" = 0 && test "$programs" != 0
