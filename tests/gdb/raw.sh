#!/bin/bash
# The stub by a raw client: what gdb says, and what it never would.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh
# shellcheck source=tests/gdb/guests.sh
. tests/gdb/guests.sh
if ! command -v python3 >/dev/null; then
    skip gdb-raw "no python3"
    exit 0
fi
dir=$BUILD/tests/gdb/raw
mkdir -p "$dir"
make_real "$dir/real.img" && make_prot "$dir/prot.elf" &&
    make_modes "$dir/modes.img" && make_long "$dir/long.img" || exit 1
status=0
for accel in ${ACCELS:-bt kvm}; do
    lacks=$(accel_lacks "$accel")
    if [ -n "$lacks" ]; then
        skip "gdb-raw-$accel" "$lacks"
        continue
    fi
    ONLY=${ONLY_RAW:-} python3 tests/gdb/raw.py "$ringside" "$accel" \
        "$dir/real.img" "$dir/prot.elf" "$dir/modes.img" \
        "$dir/long.img" || status=1
done
exit $status
