#!/bin/sh
# SPDX-License-Identifier: MIT
# hardening.sh [table]: what compiler and linker have put into the programs of BUILD, so that a fault is harder to use;
# with `table`, a line each.
set -eu

BUILD=${BUILD-build}
LC_ALL=C
export LC_ALL
bad=0

# what it is | where that is seen | has or lacks | an extended regular expression
properties() {
    cat <<'END'
PIE|headers|has|^ *Type: *DYN .*Position-Independent
RELRO|headers|has|^ *GNU_RELRO +0x
BIND_NOW, so RELRO is full|dynamic|has|FLAGS.* (BIND_)?NOW
stack that is not executable|headers|has|^ *GNU_STACK .* RW +0x
nothing to write and execute|headers|lacks|^ *LOAD .* RWE +0x
no RPATH or RUNPATH|dynamic|lacks|\((RPATH|RUNPATH)\)
no text relocations|dynamic|lacks|\(TEXTREL\)
stack canaries|imports|has| __stack_chk_fail
FORTIFY_SOURCE|imports|has| __mem(cpy|move|set)_chk
FORTIFY_SOURCE=3 asked for|flags|has|-D_FORTIFY_SOURCE=3
stack clash protection asked for|flags|has|-fstack-clash-protection
END
}

# facts PROGRAM WHERE
facts() {
    case $2 in
    headers) readelf -hlW "$BUILD/$1" ;;
    dynamic) readelf -dW "$BUILD/$1" ;;
    imports) readelf --dyn-syms -W "$BUILD/$1" ;;
    flags) cat "$BUILD/flags" ;;
    esac
}

# The properties that a program does not have.
missing() {
    properties | while IFS='|' read -r name where wanted pattern; do
        if facts "$1" "$where" | grep -qE -e "$pattern"; then found=has; else found=lacks; fi
        test "$found" = "$wanted" || echo "$name"
    done
}

for program in oauth2.fcgi oauth2-admin; do
    test -e "$BUILD/$program" || { echo "$BUILD/$program is not there; type: make"; exit 1; }
    found=$(missing "$program")
    if test -n "$found"; then
        echo "$found" | sed "s|^|$BUILD/$program: not so: |"
        bad=1
    elif test "${1-}" = table; then
        properties | sed "s/|.*/: yes/; s/^/$program: /"
    fi
done
exit $bad
