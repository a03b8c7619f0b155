#!/bin/sh
# SPDX-License-Identifier: MIT
# Lengths of the functions: median at most 15 lines, nine of ten at most 45, none above 60.
set -eu

find lib fcgi -name '*.c' -print0 |
    xargs -0 ctags --languages=C --kinds-C=f --fields=+ne -o - |
    awk -F '\t' '{
        for (i = 4; i <= NF; i++) {
            if ($i ~ /^line:/) first = substr($i, 6)
            if ($i ~ /^end:/) last = substr($i, 5)
        }
        print last - first + 1, $2, $1
    }' | sort -n | awk '
    { length_of[NR] = $1 }
    $1 > 60 { print $2 ": " $3 " has " $1 " lines, more than 60"; bad = 1 }
    END {
        median = length_of[int((NR + 1) / 2)]; p90 = length_of[int(NR * 0.9 + 0.999)]
        printf "%d functions, median %d lines, nine of ten at most %d, longest %d\n", NR, median, p90, length_of[NR]
        exit bad || NR == 0 || median > 15 || p90 > 45
    }'
