#!/bin/bash
# Files over 800 lines and functions over 80; tables (.def) may be longer.
set -u
cd "$(dirname "$0")/../.." || exit 1
git ls-files -co --exclude-standard -- '*.c' '*.h' | while read -r file; do
    [ -f "$file" ] && echo "$file"
done | xargs awk '
    FNR == 1 { if (name && lines > 800) long_file(); name = FILENAME; start = 0 }
    { lines = FNR }
    function long_file() {
        printf "%s: %d lines, over 800\n", name, lines; bad = 1
    }
    # A function in this style: { and } alone in the first column.
    /^{$/ { start = FNR }
    /^}$/ {
        if (start && FNR - start + 1 > 80) {
            printf "%s:%d: a function of %d lines, over 80\n", FILENAME,
                   start, FNR - start + 1
            bad = 1
        }
        start = 0
    }
    END { if (lines > 800) long_file(); exit bad }'
