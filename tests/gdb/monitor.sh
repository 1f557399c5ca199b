#!/bin/bash
# `monitor` runs the guest in a gdb of its own, without our script and with it:
# what gdb shows afterwards, and ^C.  (Sessions with more in them: session.sh.)
# shellcheck disable=SC2016 # $pc is gdb's
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh
# shellcheck source=tests/gdb/guests.sh
. tests/gdb/guests.sh

dir=$BUILD/tests/gdb/monitor
mkdir -p "$dir"
guest=
client=
cleanup() {
    [ -z "$client" ] || kill -9 "$client" 2>/dev/null
    [ -z "$guest" ] || kill -9 "$guest" 2>/dev/null
}
trap cleanup EXIT

begin() { # IMAGE: a guest waits at $dir/monitor.sock
    rm -f "$dir/monitor.sock"
    "$ringside" run --accel bt --gdb "unix:$dir/monitor.sock" -S -m 64M \
        --serial null "$1" >"$dir/monitor.guest" 2>&1 &
    guest=$!
    while [ ! -S "$dir/monitor.sock" ] && kill -0 $guest 2>/dev/null; do
        sleep 0.05
    done
}

end() {
    kill -9 "$guest" 2>/dev/null
    wait "$guest" 2>/dev/null
    guest=
}

holds() { # LABEL TEXT PATTERN...: the text has them, in this order
    local label=$1 rest=$2 pattern
    shift 2
    for pattern; do
        if [[ $rest != *"$pattern"* ]]; then
            fail "$label" "no '$pattern' where it should be"
            return
        fi
        rest=${rest#*"$pattern"}
    done
    pass "$label"
}

wait_for() { # PATTERN FILE
    for _ in $(seq 600); do
        ! grep -q "$1" "$2" || return
        sleep 0.1
    done
}

# gdb itself has to be told; what it is to be told, the answer says.
plain() {
    begin "$BUILD/guests/golden.elf"
    holds gdb-monitor-plain "$(
        timeout 60 gdb -nx -q -batch -ex "target remote $dir/monitor.sock" \
            -ex 'monitor step' -ex 'maintenance flush register-cache' \
            -ex 'output $pc' -ex 'echo \n' -ex 'x/i $pc' \
            -ex stepi -ex 'output $pc' -ex 'echo \n' \
            -ex 'monitor until inner' -ex 'maintenance flush register-cache' \
            -ex 'output $pc' -ex 'echo \n' -ex 'break *page_fault' \
            -ex continue -ex 'delete' -ex 'monitor continue' \
            2>&1 </dev/null
    )" 'stepped at 0x101001' 'type: maintenance flush register-cache' \
        '0x101001 <start+1>' '=> 0x101001' 'mov' '0x101006 <start+6>' \
        '<inner>' 'Breakpoint 1, page_fault' 'the machine ended: '
    end
}

# What `monitor symbols` adds is a shared library to gdb that has no script, if
# it takes the guest for one without an ABI: at the next resume it is told.  One
# moved over the end of all addresses would be the end of gdb.
added() {
    make_prot "$dir/prot.elf" &&
        objcopy --prefix-symbols=moved_ --change-addresses=0x1000000 \
            "$dir/prot.elf" "$dir/moved.elf" || exit 1
    begin "$dir/prot.elf"
    holds gdb-monitor-added "$(
        timeout 60 gdb -nx -q -batch -ex 'set osabi none' \
            -ex "target remote $dir/monitor.sock" \
            -ex "monitor symbols add $dir/moved.elf -0x1000000" -ex stepi \
            -ex 'info sharedlibrary' -ex 'break *&moved_touch' -ex continue \
            -ex 'output $pc == &touch' -ex 'echo \n' \
            -ex "monitor symbols add $dir/moved.elf -0x1100010" \
            -ex stepi -ex 'info sharedlibrary' 2>&1 </dev/null
    )" "symbols from $dir/moved.elf" 'Yes' "$dir/moved.elf" \
        'Breakpoint 1, ' '1' "symbols from $dir/moved.elf" 'No shared'
    end
}

# ^C when `monitor continue` runs: gdb is back, and so is the guest.
ctrl_c() { # LABEL FRAME GDB-OPTION...
    local label=$1 frame=$2 out=$dir/monitor.out pipe=$dir/monitor.in
    shift 2
    rm -f "$pipe"
    mkfifo "$pipe"
    begin "$BUILD/guests/teach.img"
    gdb -nx -q "$@" <"$pipe" >"$out" 2>&1 &
    client=$!
    exec 5>"$pipe"
    printf '%s\n' 'set confirm off' "target remote $dir/monitor.sock" \
        'echo ready\n' 'monitor continue' >&5
    wait_for '^(gdb) ready' "$out"
    sleep 1          # it has begun to wait
    kill -INT $client # once: twice would mean to disconnect
    wait_for Quit "$out"
    printf '%s\n' 'monitor why' 'x/i $pc' quit >&5
    exec 5>&-
    wait $client
    client=
    # shellcheck disable=SC2086 # it may be none
    holds "$label" "$(cat "$out")" Quit $frame 'interrupted at' '=> 0x'
    end
}

if ! command -v gdb >/dev/null; then
    skip gdb-monitor "no gdb"
    exit 0
fi
make -s --no-print-directory "BUILD=$BUILD" "$BUILD/guests/golden.elf" || exit 1
plain
added
ctrl_c gdb-monitor-ctrl-c-plain ''
ctrl_c gdb-monitor-ctrl-c-script '#0' -x gdbstub/ringside-gdb.py
[ "$failed" -eq 0 ]
