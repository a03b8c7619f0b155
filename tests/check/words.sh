#!/bin/sh
# SPDX-License-Identifier: MIT
# Words that must not occur in the code, each with the one file where it may.
set -eu

bad=0

# The code of a file by line: without string literals, and without comments that fill a line or end it.
# shellcheck disable=SC2317 # forbid calls it by name
code() {
    sed 's/"\([^"\\]\|\\.\)*"/""/g; s|^[ \t]*/\*.*||; s|^[ \t]*\*.*||; s|/\*.*\*/||' "$1"
}

# forbid READER PATTERN ALLOWED_FILES DIRECTORY...: what the extended regular expression must not find.
forbid() {
    reader=$1
    pattern=$2
    allowed=$3
    shift 3
    for file in $(find "$@" -name '*.[ch]' | sort); do
        # shellcheck disable=SC2254 # a shell pattern
        case $file in $allowed) continue ;; esac
        if $reader "$file" | grep -nE "$pattern" | sed "s|^|$file:|" | grep .; then
            bad=1
        fi
    done
}

word='(^|[^A-Za-z0-9_])'
unsafe='strcpy|strcat|v?sprintf|strtok|ato[il]|strtou?ll?|gets|alloca|system|popen'
unsafe="$unsafe|s?rand|time|localtime|gmtime|asctime|ctime"
forbid code "${word}($unsafe) *\\(" '' lib fcgi
forbid code "${word}memcmp *\\(" lib/util/str.c lib fcgi
forbid code "${word}getenv *\\(" 'fcgi/*main.c' lib fcgi
forbid code "${word}clock_gettime *\\(" lib/util/clock.c lib fcgi
forbid code "${word}RAND_bytes *\\(" lib/util/random.c lib fcgi
forbid code "${word}(f|d|s|sn|v|vf|vsn)?printf *\\(" '' lib
forbid code "${word}return -1;" '' lib fcgi
forbid code "${word}(exit|_exit|abort|assert) *\\(" '' lib
forbid code "//" '' lib fcgi tests
forbid cat "${word}(TODO|FIXME|XXX)($|[^A-Za-z0-9_])" '' lib fcgi tests
exit $bad
