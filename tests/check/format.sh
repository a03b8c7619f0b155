#!/bin/sh
# SPDX-License-Identifier: MIT
# clang-format has nothing to change; no trailing white space; text files end with a newline.
set -eu

bad=0
find lib fcgi tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror || bad=1

for file in $(find . -type f -not -path './.git/*' -not -path './build/*' -not -path './tests/fuzz/corpus/*' -not -path '*/__pycache__/*' \
    -not -path './.pytest_cache/*' | sort); do
    grep -Iq . "$file" || continue
    if grep -nE '[[:blank:]]+$' "$file" | sed "s|^|$file:|; s|\$|: white space at the end|" | grep .; then
        bad=1
    fi
    test -z "$(tail -c 1 "$file")" || { echo "$file: no newline at the end"; bad=1; }
done
exit $bad
