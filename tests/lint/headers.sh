#!/bin/bash
# Every header compiles alone, and only once.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0
while read -r header; do
    [ -f "$header" ] || continue
    printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
        ${CC:-gcc} -std=gnu17 -D_GNU_SOURCE -I. -fsyntax-only -x c - \
            2>/tmp/headers.$$ || {
        echo "$header does not stand alone:"
        head -n 3 /tmp/headers.$$
        bad=1
    }
done < <(git ls-files -co --exclude-standard -- 'vmm/*.h' 'gdbstub/*.h' 'tui/*.h' 'traces/*.h')
rm -f /tmp/headers.$$
exit $bad
