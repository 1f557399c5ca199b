#!/bin/bash
# Relative links of the project's pages lead somewhere, and what they name in
# backquotes as a path of the tree is there.
set -u
cd "$(dirname "$0")/../.." || exit 1
bad=0

gone() { # PAGE WHAT
    echo "$1 names $2, which is not there"
    bad=1
}

while read -r page; do
    while read -r link; do
        [ -e "$(dirname "$page")/$link" ] || gone "$page" "$link"
    done < <(grep -oE '\]\([^)# ]+' "$page" | cut -c3- | grep -v '://')
    while read -r path; do
        compgen -G "$path" >/dev/null || gone "$page" "$path"
    done < <(grep -oE '`(vmm|gdbstub|tui|labs|tests|tools|course-notes)/[^` ]*`' \
        "$page" | tr -d '`' | grep -vE 'CHIP|KIND|NAME' | sed 's/\.\[ch\]$/.*/')
done < <(git ls-files -co --exclude-standard -- '*.md')
exit $bad
