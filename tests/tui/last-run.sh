#!/bin/bash
# A guest that was debugged under the other accelerator before: its exits then
# are beside those of now.  The other one's file is made from bt's own.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$BUILD/tui/last-run
rm -rf "$work"
mkdir -p "$work"
export XDG_CONFIG_HOME=$work XDG_STATE_HOME=$work
status=0

# Steps from standard input; see viewer.c.
watch() { # NAME OPTIONS...
    "$BUILD/tests/viewer" 80x24 /dev/stdin "$BUILD/ringside" debug \
        --accel bt -m 16M "${@:2}" "$BUILD/guests/golden.elf" |
        sed -E "s/^(PASS|FAIL) /\1 $1: /"
    [ "${PIPESTATUS[0]}" -eq 0 ]
}

watch last-run-kept <<'EOS' || status=1
keys :break page_fault\rc
see breakpoint |
keys q
end
EOS
kept=$(find "$work/ringside/runs" -name 'golden.elf-*-bt.json')
if [ -z "$kept" ]; then
    echo "FAIL last-run-file: nothing is kept in $work/ringside/runs"
    exit 1
fi
sed 's/"accel": *"bt"/"accel": "kvm"/' "$kept" >"${kept%-bt.json}-kvm.json"
watch last-run-beside <<'EOS' || status=1
keys :break page_fault\rcvexits\rz
see golden.elf under kvm
see kvm_mean
keys :compare off\r
see since
keys q
end
EOS

echo nonsense >"${kept%-bt.json}-kvm.json"
watch last-run-broken <<'EOS' || status=1
keys vexits\rz
see accelerator
keys q
end
EOS
exit $status
