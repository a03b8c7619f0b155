#!/bin/sh
# SPDX-License-Identifier: MIT
# A directory includes only its own headers and those of the layers that the table names.
set -eu

# shellcheck disable=SC2016 # the dollars are awk's
find lib fcgi -name '*.[ch]' -o -name '*.def' | sort | xargs awk '
    BEGIN {
        may["lib/util"] = ""
        may["lib/jose"] = "util"
        may["lib/domain"] = "util jose"
        may["lib/config"] = "util jose domain"
        may["lib/state"] = "util"
        may["lib/http"] = "util"
        may["lib/oauth"] = "util jose domain state http"
        may["fcgi"] = "util domain config state http oauth"
        may["fcgi/admin"] = "util jose domain config state oauth"
    }
    FNR == 1 {
        layer = FILENAME
        sub(/\/[^\/]*$/, "", layer)
        if (!(layer in may)) { print FILENAME ": " layer " is no layer"; bad = 1; nextfile }
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
        split($0, part, "\"")
        target = part[2]
        if (target ~ /\.\./) { print FILENAME ":" FNR ": " target " goes up"; bad = 1 }
        if (target !~ /\//) {
            if (layer ~ /^lib/) { print FILENAME ":" FNR ": " target " without its directory"; bad = 1 }
            next
        }
        sub(/\/[^\/]*$/, "", target)
        if (layer != "lib/" target && index(" " may[layer] " ", " " target " ") == 0) {
            print FILENAME ":" FNR ": " layer " must not include " part[2]; bad = 1
        }
    }
    END { exit bad }'
