#!/bin/bash
# Under bt, equal inputs give equal runs: the same guest RUNS times (20), with
# every processor of the host kept busy meanwhile, must end with one digest of
# CPU and memory, and one count of exits; and with each of the translator's
# switches, which change how a guest is executed and not what happens.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh

runs=${RUNS:-20}
limit=600 # seconds, for what hangs: sanitized, interpreted and under load is slow
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
        timeout -k 5 "$limit" "$ringside" run --accel bt --serial null --digest \
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

teach=(-m 32M --kernel-args
    'type=count;primes 50000;crash stack;mem;spin 2;ps;poweroff 20'
    "$BUILD/guests/teach.elf")

# A 64 KiB code cache; no translation at all; windows dropped all the time.
switched() { # SWITCHES
    local name=determinism-teach-$1 status=0
    [[ $name =~ $only ]] || return
    RINGSIDE_BT=$1 timeout -k 5 "$limit" "$ringside" run --accel bt --serial null \
        --digest --report "$logs/$name" "${teach[@]}" </dev/null \
        >"$logs/$name.out" 2>&1 || status=$?
    if [ $status -ne 41 ]; then
        fail "$name" "status $status: $(tail -n 1 "$logs/$name.out")"
    elif ! cmp -s "$logs/$name" "$logs/determinism-teach.1"; then
        fail "$name" "differs from a run without switches (see $logs/$name)"
    else
        pass "$name"
    fi
}

start_load
same teach 41 "${teach[@]}"
for switches in check,tiny interpret evict; do
    switched $switches
done
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
