#!/bin/sh
# SPDX-License-Identifier: MIT
# Four analysers: clang-tidy (checks and exclusions: .clang-tidy), clang's static analyser, as scan-build runs it, gcc's,
# and cppcheck; the second and the third read the tests, too.  Nothing is kept from one run to the next.
#
# What is left out of them, and why:
#
# security.insecureAPI.DeprecatedOrUnsafeBufferHandling
#                    wants memset_s and memcpy_s (Annex K), which glibc does not have
# in tests: core.CallAndMessage, core.UndefinedBinaryOperatorResult, core.uninitialized.Assign,
# -Wanalyzer-null-dereference, -Wanalyzer-malloc-leak
#                    no analyser knows that an assertion of cmocka does not return if it fails
set -eu

jobs=$(nproc 2>/dev/null || echo 2)
bad=0
clang='clang --analyze -o /dev/null -Xclang -analyzer-output=text -Xclang -analyzer-werror
    -Xclang -analyzer-checker=nullability,optin.portability,security
    -Xclang -analyzer-disable-checker=security.insecureAPI.DeprecatedOrUnsafeBufferHandling'
# Of the tests, which nobody attacks, in a fifth of the time.
clang_tests="$clang -Xclang -analyzer-config -Xclang mode=shallow
    -Xclang -analyzer-disable-checker=core.CallAndMessage,core.UndefinedBinaryOperatorResult,core.uninitialized.Assign"
# Optimised, the code is less like its source, and there are findings that are none.
gcc='gcc -fanalyzer -O0 -Werror -S -o /dev/null'
gcc_tests="$gcc -Wno-analyzer-null-dereference -Wno-analyzer-malloc-leak"

# analyse COMMAND DIRECTORY...: all findings of the command in each file, as an error.
analyse() {
    command=$1
    shift
    # shellcheck disable=SC2016 # the inner shell expands them: CHECK_CFLAGS are words, quoted for the shell
    find "$@" -name '*.c' -print0 | xargs -0 -n 4 -P "$jobs" sh -c '
        command=$1 bad=0
        shift
        for file; do
            eval "$command $CHECK_CFLAGS \"\$file\"" || bad=1
        done
        exit $bad' sh "$(echo "$command" | tr '\n' ' ')" 2>&1 || bad=1
}

# shellcheck disable=SC2016 # as above
find lib fcgi -name '*.c' -print0 |
    xargs -0 -n 4 -P "$jobs" sh -c 'eval "clang-tidy --quiet \"\$@\" -- $CHECK_CFLAGS" 2>/dev/null' sh || bad=1
analyse "$clang" lib fcgi
analyse "$clang_tests" tests
analyse "$gcc" lib fcgi
analyse "$gcc_tests" tests
cppcheck --quiet -j "$jobs" --std=c11 --language=c --enable=warning,performance,portability \
    --inline-suppr --error-exitcode=1 --suppress=missingIncludeSystem -Ilib \
    -DVERSION='""' -DSYSCONFDIR='""' lib fcgi || bad=1
exit $bad
