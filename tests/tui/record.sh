#!/bin/bash
# What --record writes is asciinema v2, and played into a terminal it ends with
# the screen that was there; --keys is a lecture that needs no terminal.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$BUILD/tui
mkdir -p "$work"
if ! command -v python3 >/dev/null; then
    echo "SKIP record: no python3"
    exit 0
fi

cast() { # NAME SCREEN SIZE...: lines of JSON; its sizes; its text at the end
    python3 - "$@" <<'EOS'
import json, re, sys
path, screen, *sizes = sys.argv[1:]
lines = [json.loads(line) for line in open(path, encoding="utf-8")]
head, events = lines[0], lines[1:]
assert head["version"] == 2 and head["timestamp"] > 0, head
assert f"{head['width']}x{head['height']}" == sizes[0], head
assert [e[2] for e in events if e[1] == "r"] == sizes[1:], "sizes"
assert all(e[1] in "or" for e in events), "kinds"
times = [e[0] for e in events]
assert times == sorted(times) and times[0] >= 0, "times"
rows = {}
for event in events:
    if event[1] == "r":
        continue
    if "\x1b[2J" in event[2]:
        rows = {}
    for row, text in re.findall(r"\x1b\[(\d+);1H((?:[^\x1b]|\x1b\[[\d;]*m)*)",
                                event[2]):
        rows[int(row)] = re.sub(r"\x1b\[[\d;]*m", "", text).rstrip()
seen = "".join(rows[row] + "\n" for row in sorted(rows))
wanted = open(screen, encoding="utf-8").read().split("status ")[0]
assert seen == wanted, seen
EOS
}

check() { # NAME COMMAND...
    local said
    if said=$("${@:2}" 2>&1); then
        echo "PASS $1"
    else
        echo "FAIL $1: $(tail -n 1 <<<"$said")"
    fi
}

ringside=("$BUILD/ringside" debug --accel bt -m 16M)
screens=tests/golden/screens
rm -f "$work/keys.cast" "$work/typed.cast"
printf '%s\n' '# a lecture' ':break page_fault\r' c >"$work/lecture.keys"
check record-keys "${ringside[@]}" --keys "$work/lecture.keys" \
    --record "$work/keys.cast" "$BUILD/guests/golden.elf"
check record-keys-cast cast "$work/keys.cast" $screens/fault-80x24.txt 80x24
"$BUILD/tests/viewer" 80x24 /dev/stdin "${ringside[@]}" \
    --record "$work/typed.cast" "$BUILD/guests/golden.elf" >/dev/null <<EOS
keys \\<Home>
show $screens/start-80x24.txt
size 120x40
show $screens/start-120x40.txt
keys q
end
EOS
check record-resized-cast cast "$work/typed.cast" \
    $screens/start-120x40.txt 80x24 120x40
