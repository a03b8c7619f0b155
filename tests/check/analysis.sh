#!/bin/sh
# SPDX-License-Identifier: MIT
# clang-tidy (checks and exclusions: .clang-tidy) and cppcheck over lib/ and fcgi/.
set -eu

jobs=$(nproc 2>/dev/null || echo 2)
bad=0

# shellcheck disable=SC2016 # the inner shell expands them: CHECK_CFLAGS are words, quoted for the shell
find lib fcgi -name '*.c' -print0 |
    xargs -0 -n 4 -P "$jobs" sh -c 'eval "clang-tidy --quiet \"\$@\" -- $CHECK_CFLAGS" 2>/dev/null' sh || bad=1
cppcheck --quiet -j "$jobs" --std=c11 --language=c --enable=warning,performance,portability \
    --inline-suppr --error-exitcode=1 --suppress=missingIncludeSystem -Ilib \
    -DVERSION='""' -DSYSCONFDIR='""' lib fcgi || bad=1
exit $bad
