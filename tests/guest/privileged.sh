#!/bin/bash
# Privileged and sensitive instructions: the translator, and this host's KVM
# if it is complete, against what the manual says (priv/expected.txt).  The
# translator also with each case run again and again, when its code is hot and
# what faulted is a call-out, and with each of its switches.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh

priv=tests/guest/priv

run() { # NAME OPTION...
    local name=privileged-$1 out=$logs/privileged-$1.out status
    shift
    timeout 120 "$ringside" run "$@" -m 64M --no-reboot --display none \
        --serial "file:$out" "$BUILD/guests/priv.elf" \
        </dev/null >"$out.log" 2>&1
    status=$?
    if [ "$status" -ne 1 ]; then
        fail "$name" "status $status after $(wc -l <"$out") lines (see $out)"
    elif "$priv/compare.sh" $priv/expected.txt "$out" >"$out.diff"; then
        pass "$name"
    else
        fail "$name" "$(tail -n 1 "$out.diff") (see $out.diff)"
    fi
}

run bt --accel bt
run bt-hot --accel bt --kernel-args repeat=6
RINGSIDE_BT=check,tiny run bt-check,tiny --accel bt --kernel-args repeat=4
for switches in interpret evict; do
    RINGSIDE_BT=$switches run "bt-$switches" --accel bt
done
lacks=$(accel_lacks kvm)
if [ -n "$lacks" ]; then
    skip privileged-kvm "$lacks"
else
    run kvm --accel kvm
fi
exit $((failed > 0))
