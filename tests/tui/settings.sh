#!/bin/bash
# Panes that a person has chosen are kept, a broken file is one line; themes
# and ASCII are options.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$BUILD/tui
mkdir -p "$work"
layout=$work/settings/deep/layout
rm -rf "$work/settings"

gcc -m32 -g -nostdlib -static -no-pie -Wl,--build-id=none \
    -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack -Wl,-e,start \
    -Wl,-Ttext-segment=0x100000 \
    tests/golden/guest.S -o "$work/guest.elf" || exit 1

screen() { # KEYS OPTIONS...: the last screen
    printf '%s\n' "$1" >"$work/settings.keys"
    timeout 60 "$BUILD/ringside" debug --accel bt -m 16M \
        --keys "$work/settings.keys" "${@:2}" "$work/guest.elf" 2>&1
}

check() { # NAME PATTERN TEXT
    if grep -q -- "$2" <<<"$3"; then
        echo "PASS $1"
    else
        echo "FAIL $1: no '$2' in"
        sed 's/^/    /' <<<"$3"
    fi
}

check layout-saved "saved in $layout" \
    "$(screen 'vgdt\r:layout save\r' --layout "$layout")"
check layout-loaded '^─ GDT ─' "$(screen '' --layout "$layout")"
check layout-reset '^─ code ─' "$(screen ':layout reset\r' --layout "$layout")"
echo 'nonsense: here' >"$layout"
out=$(screen '' --layout "$layout")
check layout-corrupt '^line 1 is wrong; the panes are the usual ones: ' "$out"
check layout-default '^─ code ─' "$out"
check layout-nowhere '^layout: no file to save to' "$(screen ':layout save\r')"
check theme-command '^ *\* light ' "$(screen ':theme light\r:theme\r')"
check theme-option '^ *\* mono ' "$(screen ':theme\r' --theme mono)"
check theme-wrong '^theme: dark, light or mono' "$(screen ':theme plaid\r')"
check theme-wrong-option 'expected dark, light or mono' \
    "$(screen '' --theme plaid)"
check ascii '^- code ---' "$(screen '' --ascii)"
if screen 'vexits\rc' --ascii | LC_ALL=C grep -q '[^ -~]'; then
    echo "FAIL ascii-only: other characters"
else
    echo "PASS ascii-only"
fi
