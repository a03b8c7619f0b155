#!/bin/sh
# SPDX-License-Identifier: MIT
# all.sh BUILD_DIR CFLAGS: run every check of this directory; print findings, one line each that is clean.
set -u

BUILD=$1
CHECK_CFLAGS=$2
export BUILD CHECK_CFLAGS
PATH=$PATH:/usr/sbin
failed=''

for check in tests/check/*.sh tests/check/*.py; do
    name=${check##*/}
    case $check in
    */all.sh) continue ;;
    *.py) set -- /usr/bin/python3 -B "$check" ;;
    *) set -- sh "$check" ;;
    esac
    if findings=$("$@" 2>&1); then
        echo "lint: ${name%.*}: ok${findings:+ ($findings)}"
    else
        printf '%s\n' "$findings" "lint: ${name%.*}: FAILED"
        failed="$failed ${name%.*}"
    fi
done

test -z "$failed" && exit 0
echo "lint: these checks failed:$failed" >&2
exit 1
