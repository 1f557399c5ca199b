#!/bin/bash
# Sessions of gdb itself (tests/gdb/session.sh) on a complete KVM: gdb and what
# it needs go into the machine of tests/kvm-host.sh.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh
# shellcheck source=tests/gdb/guests.sh
. tests/gdb/guests.sh

dir=$BUILD/tests/kvm/gdb-session
if ! command -v gdb >/dev/null; then
    skip kvm-gdb-session "no gdb"
    exit 0
fi
mkdir -p "$dir"
make_modes "$dir/modes.img" && make_long "$dir/long.img" || exit 1
# gdb's own Python files, and those of the library that a session loads.
data=$(gdb -nx -batch -ex 'python print(gdb.PYTHONDIR)')
mapfile -t modules < <(gdb -nx -q -batch -x gdbstub/ringside-gdb.py \
    -ex 'python import os, re, signal, socket, subprocess, sys' \
    -ex 'python import threading, traceback' \
    -ex 'python import encodings.latin_1' \
    -ex 'python files = [getattr(m, "__file__", 0) for m in sys.modules.values()]' \
    -ex 'python print("\n".join(filter(None, files)))')
debian=$(debian_dir amd64 2>/dev/null) && [[ gdb-session-debian-amd64 =~ $only ]] &&
    initramfs amd64 && modules+=("$debian/vmlinuz-amd64" "$BUILD/initramfs-amd64"
    "$debian/busybox-amd64")
KVM_HOST_TIMEOUT=${KVM_HOST_TIMEOUT:-900} tests/kvm-host.sh "$ringside" \
    "$(command -v gdb)" "$data" /usr/lib/locale/C.utf8 "${modules[@]}" \
    /bin/bash tests/guest tests/gdb labs/guests/teach gdbstub/ringside-gdb.py \
    "$BUILD/guests" "$dir" -- \
    env LC_ALL=C.UTF-8 BUILD="$BUILD" GUESTS="$dir" ONLY="$only" ACCELS=kvm SLOWER=3 SHOW_LAST=1 \
    RINGSIDE_CACHE="$(dirname "${debian:-/tmp/x}")" \
    PYTHONDONTWRITEBYTECODE=1 bash tests/gdb/session.sh
status=$?
if [ $status -eq 77 ]; then
    skip kvm-gdb-session "there is no complete KVM to be had here"
    exit 0
fi
exit $status
