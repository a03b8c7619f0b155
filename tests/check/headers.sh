#!/bin/sh
# SPDX-License-Identifier: MIT
# Every header compiles alone, with gcc and with clang, and has its include guard.
set -eu

bad=0
for header in $(find lib fcgi -name '*.h' | sort); do
    for compiler in gcc clang; do
        # shellcheck disable=SC2086 # CHECK_CFLAGS are words, quoted for the shell
        printf '#include "%s"\nextern int alone;\n' "$header" |
            eval "$compiler" "$CHECK_CFLAGS" -I. -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c - || bad=1
    done
    guard=$(echo "${header##*/}" | sed 's|[.-]|_|g' | tr '[:lower:]' '[:upper:]')
    grep -qE "^#ifndef [A-Z]+_$guard\$" "$header" || { echo "$header: no include guard …_$guard"; bad=1; }
done
exit $bad
