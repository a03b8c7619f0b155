#!/bin/sh
# SPDX-License-Identifier: MIT
# fuzz.sh BUILD_DIR SECONDS TARGET...: run fuzz targets one after the other, each for so long.
# Prints a line for each, and fails if one has found something.
set -u

build=$1
seconds=$2
shift 2
failed=''
started=$(date +%s)

# The last number behind a word in a log, or "?".
number() {
    sed -n "s|.*$1 *\([0-9][0-9]*\).*|\1|p" "$log" | tail -n 1 | grep . || echo '?'
}

printf '%-12s %12s %8s %8s %8s  %s\n' target runs edges inputs seconds result
for target in "$@"; do
    log=$build/$target.log
    finds=$build/finds/$target
    corpus=$build/corpus/$target
    begun=$(date +%s)
    result=ok
    mkdir -p "$finds" "$corpus" || exit 1
    set -- -max_total_time="$seconds" -max_len=4096 -timeout=20 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$finds/"
    test ! -e "tests/fuzz/$target.dict" || set -- "$@" -dict="tests/fuzz/$target.dict"
    if ! "$build/tests/fuzz_$target" "$@" "$corpus" "tests/fuzz/corpus/$target" >"$log" 2>&1; then
        result="FOUND: see $log"
        failed="$failed $target"
    fi
    printf '%-12s %12s %8s %8s %8s  %s\n' "$target" "$(number number_of_executed_units:)" \
        "$(number ' cov:')" "$(number ' corp:')" $(($(date +%s) - begun)) "$result"
done
echo "fuzz: $(($(date +%s) - started)) s; new inputs are in $build/corpus, finds in $build/finds"
test -z "$failed" || { echo "fuzz: repeat a find by $build/tests/fuzz_TARGET FILE; found by:$failed" >&2; exit 1; }
