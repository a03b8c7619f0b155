#!/bin/sh
# SPDX-License-Identifier: MIT
# The package's Build-Depends are the packages of group build in etc/make/deps.sh, but for what each build has.
set -eu

wanted=$(sed -n 's/^build  *\([^ ]*\).*/\1/p' etc/make/deps.sh | grep -v -x -e gcc -e libc6-dev | sort)
found=$(sed -n '/^Build-Depends:/,/^[^B ]/p' etc/debian/control | sed -n 's/^ \([^ ,]*\).*/\1/p' | sort)
test -n "$wanted" && test "$wanted" = "$found" && exit 0
printf 'etc/debian/control: Build-Depends has:\n%s\netc/make/deps.sh, group build, has:\n%s\n' "$found" "$wanted"
exit 1
