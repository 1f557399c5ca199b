#!/bin/bash
# Stopping a guest must not change it (diff_stops.c): Ringlet from its first
# instruction, and Debian's kernels through the change of page tables.
# STOPS_SEED (1), STOPS_COUNT: so many instructions of Debian (30000000).
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh

stops=$BUILD/tests/diff/diff_stops
seed=${STOPS_SEED:-1}

equal() { # NAME COUNT MIB GUEST [ARGUMENTS [INITRD]]
    local name="stops change nothing: $1"
    shift
    if "$stops" "$seed" "$@" >"$logs/stops.out" 2>&1; then
        pass "$name"
    else
        cat "$logs/stops.out"
        fail "$name" "not one digest (see above)"
    fi
}

equal teach 3000000 32 "$BUILD/guests/teach.elf" 'type=count;primes 50000;ps'
lacks=$(debian_lacks i386)
if [ -n "$lacks" ]; then
    skip "stops change nothing: Debian" "$lacks"
else
    initramfs i386
    for kernel in 686 686-pae; do
        equal $kernel "${STOPS_COUNT:-30000000}" 128 \
            "$(debian_dir i386)/vmlinuz-$kernel" \
            'quiet run=ls,-lR,/proc/sys' "$BUILD/initramfs-i386"
    done
fi
exit $((failed > 0))
