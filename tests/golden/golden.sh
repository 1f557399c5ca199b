#!/bin/bash
# The screen and every view, compared with what they looked like when somebody
# last said that they were right.
#
#   golden.sh            compare
#   golden.sh --accept   take what there is now as right
#
# A case is a line of cases.txt:
#   screen NAME WxH KEYS...      `ringside debug --keys`, the last screen
#   pane NAME KEYS...            KEYS bring that pane to the whole screen: at
#                                the three sizes of a class, desk and wall
#   view NAME OPTIONS... -- VIEW [ARG...]   `ringside view`
# Every exit takes 1.5 us (--exit-ns), so that no host is too fast.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
ringside=$BUILD/ringside
work=$BUILD/golden
want=tests/golden/screens
accept=${1:-}
mkdir -p "$work" "$want"

guest=$BUILD/guests/golden.elf
make -s --no-print-directory "BUILD=$BUILD" "$guest" || exit 1

for what in CODE STACK HLT TRIPLE; do
    gcc -m32 -nostdlib -static -no-pie -Wl,--build-id=none -D$what \
        -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack -Wl,-e,start -Wl,-N \
        -Wl,-Ttext=0x100000 tests/golden/bad.S -o "$work/bad-$what.elf" || exit 1
done

# The case NAME's guest: bad-CODE.elf for bad-CODE-..., else the usual one.
guest_of() { # NAME
    case $1 in
    bad-*) echo "$work/$(cut -d- -f1-2 <<<"$1").elf" ;;
    *) echo "$guest" ;;
    esac
}

compare() { # NAME
    local name=$1
    if [ "$accept" = --accept ]; then
        cp "$work/$name.txt" "$want/$name.txt"
    fi
    if diff -u "$want/$name.txt" "$work/$name.txt" >"$work/$name.diff"; then
        echo "PASS golden $name"
    else
        echo "FAIL golden $name: $(grep -c '^[-+][^-+]' "$work/$name.diff") lines differ"
        sed 's/^/    /' "$work/$name.diff" | head -n 40
    fi
}

# What the host chose does not count: where its code is, what it was asked.
mask() { # NAME, standard input
    case $1 in
    *block*) sed -E 's/0x[4-7][0-9a-f]{7}\b/0x--------/g' ;;
    *stats*) sed -E 's/^([> ]) *[0-9]+ /\1 # /' ;;
    *) cat ;;
    esac
}

# JSON is a line; an object of a list a line is what a person can compare.
lines() { # OPTIONS..., standard input
    case " $* " in
    *" --json "*) sed 's/\([[,]\){/\1\n {/g' ;;
    *) cat ;;
    esac
}

screen() { # NAME SIZE KEYS
    mkdir -p "$(dirname "$work/$1")" "$(dirname "$want/$1")"
    printf '%s\n' "$3" >"$work/$1.keys"
    timeout 60 "$ringside" debug --accel bt -m 16M --exit-ns 1500 --size "$2" \
        --keys "$work/$1.keys" "$(guest_of "$1")" >"$work/$1.out" 2>&1
    echo "status $?" >>"$work/$1.out"
    mask "$1" <"$work/$1.out" >"$work/$1.txt"
    compare "$1"
}

panes_seen=
pane() { # NAME KEYS
    local size

    panes_seen+=" $1 "
    for size in 80x24 120x40 190x50; do
        screen "panes/$1-$size" "$size" "$2"
    done
}

view() { # NAME OPTIONS... -- VIEW ARGS...
    local name=$1 options=()
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    timeout 60 "$ringside" view --accel bt -m 16M --exit-ns 1500 \
        "${options[@]}" "$1" "$(guest_of "$name")" "${@:2}" \
        >"$work/$name.out" 2>&1
    echo "status $?" >>"$work/$name.out"
    mask "$name" <"$work/$name.out" | lines "${options[@]}" >"$work/$name.txt"
    compare "$name"
}

# A pane that no case shows is one that nobody has looked at.
every_pane_has_a_case() {
    local name missing=

    while read -r name; do
        [[ $panes_seen == *" $name "* ]] || missing+=" $name"
    done < <(sed -nE 's/^    \{ "([a-z0-9]+)", .*/\1/p' tui/panes.c)
    if [ -z "$panes_seen" ] || [ -n "$missing" ]; then
        echo "FAIL golden every-pane: no case for$missing"
    else
        echo "PASS golden every-pane"
    fi
}

while read -r kind name rest; do
    case $kind in
    screen) screen "$name" "${rest%% *}" "${rest#* }" ;;
    pane) pane "$name" "$rest" ;;
    view) # shellcheck disable=SC2086 # words are arguments
        view "$name" $rest ;;
    esac
done <tests/golden/cases.txt
every_pane_has_a_case
