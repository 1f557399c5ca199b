#!/bin/bash
# `make demo`: boots the guests on each accelerator that this host has, and
# ends with what their exits were, side by side.  On a terminal the Linux
# guest's shell is yours first.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
ringside=$build/ringside
typist=$build/tests/typist
out=$build/demo
mkdir -p "$out"
failed=0
exec 3>&1 # for patiently: its command's output may go elsewhere

heading() {
    printf '\n==== %s\n' "$*"
}

interactive() {
    [ -t 0 ] && [ -t 1 ] && [ -z "${CI:-}" ]
}

# Shows that something goes on while COMMAND is quiet.  Its status.
patiently() { # WHAT COMMAND...
    local what=$1 start=$SECONDS pid
    shift
    "$@" &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        [ ! -t 3 ] || printf '\r%s ... %d s ' "$what" $((SECONDS - start)) >&3
        sleep 1
    done
    [ ! -t 3 ] || printf '\r' >&3
    printf '%s ... %d s \n' "$what" $((SECONDS - start)) >&3
    wait "$pid"
}

# Runs a guest under the typist, quietly; its statistics to $out/NAME-ACCEL.
measured() { # NAME ACCEL SCRIPT RINGSIDE-OPTION...
    local name=$1 accel=$2 script=$3
    shift 3
    patiently "  $name under $accel" "$typist" -o "$out/$name-$accel.txt" \
        "$script" "$ringside" run --accel "$accel" --stats=json \
        --report "$out/$name-$accel.json" "$@" 2>"$out/$name-$accel.err" && return
    echo "  ... did not end well; see $out/$name-$accel.txt and .err"
    rm -f "$out/$name-$accel.json"
    failed=1
}

show() { # NAME WHAT
    local bt=$out/$1-bt.json kvm=$out/$1-kvm.json files=()
    [ -s "$bt" ] && files+=("$bt")
    [ -s "$kvm" ] && files+=("$kvm")
    [ ${#files[@]} -gt 0 ] || return
    heading "$2"
    "$ringside" compare-stats "${files[@]}"
}

rm -f "$out"/*.json
heading 'This host'
"$ringside" doctor || exit 1
accels=bt real_accels=bt
kvm=$("$ringside" doctor --json | tr -d ' \n')
[[ $kvm != *'"complete":true'* ]] || accels='bt kvm'
[[ $kvm != *'"realmode":true'* ]] || real_accels='bt kvm'

heading 'Ringlet, the teaching kernel, under the translator'
echo '(The demo types.)'
"$typist" tests/guest/scripts/teach-short "$ringside" run --accel bt -m 32M \
    --stats=json --report "$out/ringlet-bt.json" "$build/guests/teach.elf" ||
    failed=1

heading "Debian 12's kernel"
linux=()
if tests/guest/tools/fetch-debian.sh -q i386 >/dev/null 2>&1 ||
    patiently 'Fetching it (35 MB, once; kept in ~/.cache/ringside)' \
        tests/guest/tools/fetch-debian.sh i386 >"$out/fetch.txt" 2>&1; then
    debian=$(tests/guest/tools/fetch-debian.sh -q i386)
    [ -s "$build/initramfs-i386" ] ||
        tests/guest/tools/make-initramfs.sh "$debian/busybox-i386" \
            "$build/initramfs-i386"
    linux=(-m 128M --initrd "$build/initramfs-i386" --kernel-args
        'console=ttyS0 quiet' "$debian/vmlinuz-686")
else
    echo 'Debian cannot be reached, so the built-in guest has to do:'
    echo "  $(tail -n 1 "$out/fetch.txt")"
fi
if [ ${#linux[@]} -gt 0 ] && interactive; then
    echo 'Its shell is yours.  "poweroff" or Ctrl-A x goes on with the demo.'
    "$ringside" run "${linux[@]}"
    echo
fi

heading 'The same guests measured'
for accel in $real_accels; do
    measured ports "$accel" tests/guest/scripts/ports "$build/guests/ports.img"
done
for accel in $accels; do
    [ "$accel" = bt ] || measured ringlet "$accel" \
        tests/guest/scripts/teach-short -m 32M "$build/guests/teach.elf"
    [ ${#linux[@]} -eq 0 ] ||
        measured linux "$accel" tools/demo-linux.typist "${linux[@]}"
done
if [ "$accels" = bt ]; then
    echo '  KVM is left out of the rest: what it lacks, the top of this demo says.'
    echo '  (make check-kvm runs its tests on a complete KVM, inside QEMU.)'
fi
show ringlet 'Exits of Ringlet, from its first instruction to power-off'
show linux "Exits of Debian's kernel, to the shell and to power-off"
show ports 'Exits of a boot sector that stays in real mode'
exit $failed
