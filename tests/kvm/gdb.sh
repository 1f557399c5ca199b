#!/bin/bash
# The gdb stub by a raw client, on a complete KVM (tests/kvm-host.sh).
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh
# shellcheck source=tests/gdb/guests.sh
. tests/gdb/guests.sh

dir=$BUILD/tests/kvm/gdb
mkdir -p "$dir"
make_real "$dir/real.img" && make_prot "$dir/prot.elf" &&
    make_modes "$dir/modes.img" && make_long "$dir/long.img" || exit 1
if ! command -v python3 >/dev/null; then
    skip kvm-gdb "no python3"
    exit 0
fi
# The interpreter and the part of its library that the client uses.
python=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
lib=$("$python" -c 'import os; print(os.path.dirname(os.__file__))')
mapfile -t modules < <("$python" -X importtime -c 'import socket, subprocess, \
    tempfile, re, signal, time, traceback, encodings.latin_1, encodings.ascii' 2>&1 >/dev/null |
    sed -n 's/^import time:.*| *//p' | tr . / |
    while read -r m; do
        for f in "$lib/$m.py" "$lib/$m/__init__.py" "$lib"/lib-dynload/"$m".*.so; do
            [ ! -e "$f" ] || echo "$f"
        done
    done)
KVM_HOST_TIMEOUT=${KVM_HOST_TIMEOUT:-400} tests/kvm-host.sh "$ringside" \
    "$python" "$lib/os.py" "${modules[@]}" "$dir/real.img" "$dir/prot.elf" \
    "$dir/prot.elf.sym" "$dir/modes.img" "$dir/modes.img.sym" \
    "$dir/long.img" "$dir/long.img.sym" \
    tests/gdb/raw*.py tests/gdb/rsp.py -- \
    env SLOWER=5 ONLY="${ONLY_RAW:-}" PYTHONDONTWRITEBYTECODE=1 \
    "$python" tests/gdb/raw.py \
    "$ringside" kvm "$dir/real.img" "$dir/prot.elf" "$dir/modes.img" \
    "$dir/long.img"
status=$?
if [ $status -eq 77 ]; then
    skip kvm-gdb "there is no complete KVM to be had here"
    exit 0
fi
exit $status
