#!/bin/bash
# clang-tidy over every source file, two at a time.  What was clean stays
# clean until the file (headers and all), or .clang-tidy, changes.
set -u
cd "$(dirname "$0")/../.." || exit 1
export CACHE=${BUILD:-build}/tidy
mkdir -p "$CACHE"
tidy_one() {
    local file=$1 key out
    local flags=(-std=gnu17 -D_GNU_SOURCE -I.)
    key=$(clang "${flags[@]}" -E "$file" 2>/dev/null | cat - .clang-tidy |
        sha256sum | cut -c1-32)
    [ -e "$CACHE/$key" ] && return 0
    if out=$(clang-tidy --quiet "$file" -- "${flags[@]}" 2>&1); then
        : >"$CACHE/$key"
    else
        grep -vE 'warnings? (generated|treated)|^Suppressed|^Use -header' <<<"$out"
        return 1
    fi
}
export -f tidy_one
git ls-files -co --exclude-standard -- 'vmm/*.c' 'gdbstub/*.c' 'tui/*.c' \
    'traces/*.c' | while read -r f; do [ -f "$f" ] && echo "$f"; done |
    xargs -P 2 -I{} bash -c 'tidy_one {}'
