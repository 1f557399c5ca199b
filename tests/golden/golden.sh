#!/bin/bash
# The screen and every view, compared with what they looked like when somebody
# last said that they were right.
#
#   golden.sh            compare
#   golden.sh --accept   take what there is now as right
#
# A case is a line of cases.txt:
#   screen NAME WxH KEYS...      `ringside debug --keys`, the last screen
#   view NAME OPTIONS... -- VIEW [ARG...]   `ringside view`;
#                                a time that ends a line is masked
#   timed NAME WxH KEYS...       as screen, with times and bars masked
#   counts NAME OPTIONS... -- VIEW [ARG...]   as view --json, without times
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

screen() { # NAME SIZE KEYS
    printf '%s\n' "$3" >"$work/$1.keys"
    timeout 60 "$ringside" debug --accel bt -m 16M --size "$2" \
        --keys "$work/$1.keys" "$(guest_of "$1")" >"$work/$1.txt" 2>&1
    echo "status $?" >>"$work/$1.txt"
    compare "$1"
}

# Cuts NAME OPTIONS... -- VIEW [ARG...] into `options` and `view`, the guest in
# its place.
cut_view() {
    local name=$1
    shift
    options=()
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    view=("$2" "$(guest_of "$name")" "${@:3}")
}

view() { # NAME OPTIONS... -- VIEW ARGS...
    local name=$1 options view status
    cut_view "$@"
    timeout 60 "$ringside" view --accel bt -m 16M "${options[@]}" \
        "${view[@]}" >"$work/$name.out" 2>&1
    status=$?
    sed -E 's/[0-9.]+(ns|us|ms)$/T/' "$work/$name.out" >"$work/$name.txt"
    echo "status $status" >>"$work/$name.txt"
    compare "$name"
}

# What depends on the host's speed becomes T, the room it takes one space.
timed() { # NAME SIZE KEYS
    printf '%s\n' "$3" >"$work/$1.keys"
    timeout 60 "$ringside" debug --accel bt -m 16M --size "$2" \
        --keys "$work/$1.keys" "$guest" 2>&1 |
        perl -CSD -pe 's/\b[\d.]+(?:ns|us|ms|s)\b/T/g; s/[\x{2581}-\x{258f}]//g;
            s/ {2,}/ /g; s/ +$//' >"$work/$1.txt"
    compare "$1"
}

counts() { # NAME OPTIONS... -- VIEW ARGS...
    local name=$1 options view
    cut_view "$@"
    timeout 60 "$ringside" view --accel bt -m 16M --json "${options[@]}" \
        "${view[@]}" 2>&1 |
        python3 -c '
import json, sys
timed = {"per_s", "times", "mean", "max", "total", "other_mean", "other_times"}
doc = json.load(sys.stdin)
for key, value in doc.items():
    if isinstance(value, list):
        for row in value:
            print(key, {k: v for k, v in row.items() if k not in timed}
                  if isinstance(row, dict) else row)
    else:
        print(key, value)' >"$work/$name.txt" 2>&1
    compare "$name"
}

while read -r kind name rest; do
    case $kind in
    screen) screen "$name" "${rest%% *}" "${rest#* }" ;;
    timed) timed "$name" "${rest%% *}" "${rest#* }" ;;
    view) # shellcheck disable=SC2086 # words are arguments
        view "$name" $rest ;;
    counts) # shellcheck disable=SC2086 # words are arguments
        counts "$name" $rest ;;
    esac
done <tests/golden/cases.txt
