#!/bin/sh
# SPDX-License-Identifier: MIT
# fuzz-merge.sh BUILD_DIR SECONDS TARGET...: take from the corpora and from what fuzz.sh has found the
# fewest inputs that reach all that is reached; they become tests/fuzz/corpus.  Inputs that have a name,
# and not only a hash, are there for what they mean, and stay.
set -eu

build=$1
shift 2

for target in "$@"; do
    old=tests/fuzz/corpus/$target
    new=$build/merged/$target
    rm -rf "$new"
    mkdir -p "$new" "$old" "$build/corpus/$target"
    # Small ones first, and each edge once, not also how often it was passed.
    "$build/tests/fuzz_$target" -merge=1 -use_counters=0 -max_len=2048 "$new" "$old" "$build/corpus/$target" \
        >"$build/$target.merge.log" 2>&1 || { tail -n 20 "$build/$target.merge.log" >&2; exit 1; }
    find "$old" -type f -name '*[!0-9a-f]*' -exec cp {} "$new" \;
    rm -rf "$old"
    mv "$new" "$old"
    printf '%-12s %4d inputs, %6d bytes\n' "$target" "$(find "$old" -type f | wc -l)" \
        "$(find "$old" -type f -exec cat {} + | wc -c)"
done
