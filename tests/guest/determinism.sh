#!/bin/bash
# Under bt, equal inputs give equal runs: the same guest RUNS times (20), with
# every processor of the host kept busy meanwhile, must end with one digest of
# CPU and memory, and one count of exits.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh

runs=${RUNS:-20}
load=()
trap 'kill "${load[@]}" 2>/dev/null' EXIT

start_load() {
    local i
    for ((i = 0; i < $(nproc) + 1; i++)); do
        (while :; do :; done) &
        load+=($!)
    done
}

# The same run again and again; PASS if all reports are one.
same() { # NAME STATUS OPTIONS...
    local name=determinism-$1 want=$2 i status report first=
    shift 2
    [[ $name =~ $only ]] || return
    for ((i = 1; i <= runs; i++)); do
        report=$logs/$name.$i
        status=0
        timeout -k 5 120 "$ringside" run --accel bt --serial null --digest \
            --report "$report" "$@" </dev/null >"$report.out" 2>&1 ||
            status=$?
        if [ $status -ne "$want" ]; then
            fail "$name" "run $i: status $status, not $want: $(tail -n 1 "$report.out")"
            return
        fi
        if [ ! -s "$report" ]; then
            fail "$name" "run $i printed no digest"
            return
        fi
        first=${first:-$report}
        if ! cmp -s "$report" "$first"; then
            fail "$name" "run $i differs from run 1 (see $report)"
            return
        fi
    done
    pass "$name"
}

start_load
same teach 41 -m 32M --kernel-args \
    'type=count;primes 50000;crash stack;mem;spin 2;ps;poweroff 20' \
    "$BUILD/guests/teach.elf"
same teach-disk 12 -m 32M --max-insns 20000000 "$BUILD/guests/teach.img"
lacks=$(debian_lacks i386)
if [ -n "$lacks" ]; then
    skip determinism-debian "$lacks"
else
    initramfs i386
    runs=${RUNS:-3}
    same debian 0 -m 128M --initrd "$BUILD/initramfs-i386" --kernel-args \
        'quiet run=ls,-lR,/proc/sys' "$(debian_dir i386)/vmlinuz-686"
fi
[ "$failed" -eq 0 ]
