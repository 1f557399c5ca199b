#!/bin/bash
# Sessions of gdb itself, on each accelerator (ACCELS="bt kvm").
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh
# shellcheck source=tests/gdb/guests.sh
. tests/gdb/guests.sh

dir=${GUESTS:-$BUILD/tests/gdb/session}
mkdir -p "$dir"
guest=
cleanup() { [ -z "$guest" ] || kill -9 "$guest" 2>/dev/null; }
trap cleanup EXIT

# The sessions, and the image that each begins with.  Those of `kvm_only` are of
# 64-bit code.
kvm_only='^long'
sessions=(
    "boot:$BUILD/guests/teach.img"
    "source:$BUILD/guests/teach.elf"
    "monitor:$BUILD/guests/teach.img"
    "user:$BUILD/guests/teach.elf"
    "points:$BUILD/guests/teach.elf"
    "interrupt:$BUILD/guests/teach.elf"
    "memory:$BUILD/guests/teach.elf"
    "program:$BUILD/guests/teach.elf"
    "modes:$dir/modes.img"
    "long:$dir/long.img"
    "long_line:$dir/long.img"
    "steps16:$dir/modes.img"
    "names:$dir/modes.img"
    "libraries:$dir/modes.img"
    "words:$dir/modes.img"
)

# Where a session was that did not come to its end, and what either said last.
last_words() { # OUT
    grep -oE 'line [0-9]+ in session_.*' "$1" | head -n 1
    tail -qn 1 "$1" "$1.guest"
} 2>&1

session() { # ACCEL NAME OPTION... IMAGE
    local accel=$1 name=$2 out status ran=', Ringside had ended'
    local label=gdb-session-$name-$accel
    shift 2
    out=$logs/$label.out
    rm -f "$logs/gdb.sock" "$logs/serial.sock"
    "$ringside" run --accel "$accel" --gdb "unix:$logs/gdb.sock" -S "$@" \
        >"$out.guest" 2>&1 &
    guest=$!
    while [ ! -S "$logs/gdb.sock" ] && kill -0 $guest 2>/dev/null; do
        sleep 0.05
    done
    BUILD=$BUILD GUESTS=$dir WHERE=$logs/gdb.sock SERIAL=$logs/serial.sock \
        ACCEL=$accel SESSION=$name \
        LIMIT=$((120 * ${SLOWER:-1})) \
        timeout $((130 * ${SLOWER:-1})) gdb -nx -q -batch \
        -x gdbstub/ringside-gdb.py -x tests/gdb/session.py </dev/null >"$out" 2>&1
    status=$?
    kill -9 $guest 2>/dev/null && ran=', the guest ran'
    wait $guest 2>/dev/null
    guest=
    grep -E "^(PASS|FAIL) $label" "$out" ||
        fail "$label" "gdb ended with $status$ran: $(last_words "$out" | tr '\n' ';')"
    if [ -n "${SHOW_LAST:-}" ] && ! grep -q "^PASS $label" "$out"; then
        tail -n 20 "$out" | sed 's/^/    | /' # where logs are lost
    fi
    ! grep -q '^FAIL' "$out" || failed=1
}

if ! command -v gdb >/dev/null; then
    skip gdb-session "no gdb"
    exit 0
fi
# Where there is no compiler (tests/kvm/gdb-session.sh), it has been brought.
! command -v gcc >/dev/null ||
    { make_modes "$dir/modes.img" && make_long "$dir/long.img"; } || exit 1
for accel in ${ACCELS:-bt kvm}; do
    lacks=$(accel_lacks $accel)
    for row in "${sessions[@]}"; do
        name=${row%:*}
        [[ gdb-session-$name-$accel =~ $only ]] || continue
        [ "$accel" = kvm ] || ! [[ $name =~ $kvm_only ]] || continue
        if [ -n "$lacks" ]; then
            skip "gdb-session-$name-$accel" "$lacks"
        else
            session $accel "$name" -m 64M --serial null "${row#*:}"
        fi
    done
done

# Debian's kernel: its names come from its own /proc/kallsyms, by COM1.
linux() { # ACCEL SET KERNEL
    local name=${3/vmlinuz/debian} lacks dir
    [[ gdb-session-$name-$1 =~ $only ]] || return 0
    lacks=$(accel_lacks "$1")
    [ -n "$lacks" ] || lacks=$(debian_lacks "$2")
    if [ -n "$lacks" ]; then
        skip "gdb-session-$name-$1" "$lacks"
        return
    fi
    dir=$(debian_dir "$2")
    initramfs "$2"
    session "$1" "$name" -m 192M --serial "unix:$logs/serial.sock" \
        --initrd "$BUILD/initramfs-$2" --kernel-args 'console=ttyS0 nokaslr nopti' \
        "$dir/$3"
}
for accel in ${ACCELS:-bt kvm}; do
    [ "$accel" = kvm ] || linux bt i386 vmlinuz-686
    [ "$accel" = bt ] || linux kvm amd64 vmlinuz-amd64
done
[ "$failed" -eq 0 ]
