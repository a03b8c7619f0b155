#!/bin/sh
# SPDX-License-Identifier: MIT
# All shell scripts pass shellcheck, whatever their name ends in.
set -eu

find .ci etc tests -type f -not -path '*/__pycache__/*' -not -path 'tests/fuzz/corpus/*' | sort | while read -r file; do
    if head -n 1 "$file" | grep -qE '^#!.*[/ ](ba|da)?sh( |$)'; then
        echo "$file"
    fi
done | xargs shellcheck
