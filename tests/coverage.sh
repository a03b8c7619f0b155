#!/bin/sh
# SPDX-License-Identifier: MIT
# coverage.sh BUILD_DIR PERCENT: line coverage of lib/ from a build with COV=1;
# fails when less than PERCENT of the lines were run.
set -eu

build=$1
least=$2

for source in lib/*/*.c; do
    object=$build/obj/${source%.c}.o
    if test -e "${object%.o}.gcda"; then
        gcov -n -r -o "$object" "$source"
    else
        echo "coverage: $source: nothing of it was run" >&2
        gcov -n -r -o "${object%.o}.gcno" "$source" 2>/dev/null
    fi | awk -v want="$source" '
        /^File / { file = $2; gsub(/\047/, "", file) }
        /^Lines executed:/ && file == want { split($2, a, /[:%]/); print want, a[2], $4; file = "" }'
done | awk -v least="$least" '
    {
        split($1, part, "/"); layer = part[1] "/" part[2]
        if (!(layer in lines)) order[++layers] = layer
        lines[layer] += $3; hit[layer] += $2 * $3 / 100
        all += $3; run += $2 * $3 / 100
        if ($2 < least) printf "  %-28s %6.2f %% of %4d lines\n", $1, $2, $3
    }
    END {
        for (i = 1; i <= layers; i++)
            printf "%-30s %6.2f %% of %4d lines\n", order[i], 100 * hit[order[i]] / lines[order[i]], lines[order[i]]
        percent = all ? 100 * run / all : 0
        printf "coverage: %.2f %% of %d lines of lib/ were run (at least %d %% wanted)\n", percent, all, least
        exit percent < least
    }'
