#!/bin/bash
# course-notes/reading-order.md names every source file, and no other.  A name
# may end in a star, for files that need no order among themselves.
set -u
cd "$(dirname "$0")/../.." || exit 1
order=course-notes/reading-order.md
bad=0
stars=()
while read -r name; do
    stars+=("$name")
done < <(grep -oE '`[^` ]*\*`' "$order" | tr -d '`')

starred() { # FILE
    local star
    for star in "${stars[@]}"; do
        # shellcheck disable=SC2053 # a pattern on purpose
        [[ $1 == $star ]] && return 0
    done
    return 1
}

while read -r file; do
    stem=${file%.*}
    # A header and its source are one entry: `vmm/dev/i8254.[ch]` or either.
    if ! grep -qF -e "\`$file\`" -e "\`$stem.[ch]\`" "$order" &&
        ! starred "$file"; then
        echo "$order does not name $file"
        bad=1
    fi
done < <(git ls-files -- 'vmm/*.c' 'vmm/*.h' 'vmm/*.def' 'vmm/*.S' \
    'gdbstub/*.c' 'gdbstub/*.h' 'gdbstub/*.def' 'tui/*.c' 'tui/*.h' \
    'tui/*.def' 'traces/*.c' 'traces/*.h')
while read -r name; do
    case $name in
        *\*) compgen -G "$name" >/dev/null ;;
        *.\[ch\]) [ -f "${name%.*}.c" ] || [ -f "${name%.*}.h" ] ;;
        *) [ -e "$name" ] ;;
    esac || {
        echo "$order names $name, which is not there"
        bad=1
    }
done < <(grep -oE '`(vmm|gdbstub|tui|traces|labs|tests)/[^` ]*`' "$order" | tr -d '`')
exit $bad
