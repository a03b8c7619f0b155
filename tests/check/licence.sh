#!/bin/sh
# SPDX-License-Identifier: MIT
# Every source file says its licence in one of its first three lines, C files in the first.
set -eu

bad=0
for file in $(find lib fcgi -name '*.[ch]' -o -name '*.def' | sort); do
    test "$(head -n 1 "$file")" = '/* SPDX-License-Identifier: MIT */' ||
        { echo "$file:1: no SPDX line"; bad=1; }
done
# Not those of etc/shared-hosting: users copy them and make them their own.
for file in $(find tests etc/make etc/debian -name '*.[ch]' -o -name '*.py' -o -name '*.sh' | sort) .ci/run; do
    head -n 3 "$file" | grep -q 'SPDX-License-Identifier: MIT' ||
        { echo "$file:1: no SPDX line"; bad=1; }
done
exit $bad
