#!/bin/bash
# How long Debian's 686 kernel takes to the initramfs's first line, under bt
# and under QEMU's TCG, by turns in the same run; the median of RUNS (3).
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh

runs=${RUNS:-3}
lacks=$(debian_lacks i386)
if [ -n "$lacks" ]; then
    echo "boot: not measured: $lacks"
    exit 0
fi
initramfs i386
kernel=$(debian_dir i386)/vmlinuz-686
args='console=ttyS0 quiet run=true'

boot_bt() {
    "$ringside" run --accel bt -m 128M --initrd "$BUILD/initramfs-i386" \
        --kernel-args "$args" "$kernel"
}

boot_tcg() {
    qemu-system-i386 -accel tcg -m 128 -display none -serial stdio \
        -monitor none -nic none -no-reboot -kernel "$kernel" \
        -initrd "$BUILD/initramfs-i386" -append "$args"
}

# Seconds until power-off; "-" if it did not come so far.
measure() { # bt|tcg
    local start end
    start=$(date +%s%N)
    if timeout 300 bash -c "$(declare -f "boot_$1"); boot_$1" </dev/null \
        >"$logs/bench-$1.out" 2>&1 &&
        grep -q 'a shell on the console' "$logs/bench-$1.out"; then
        end=$(date +%s%N)
        echo $(((end - start) / 10000000)) | sed 's/..$/.&/; s/^\./0./'
    else
        echo -
    fi
}

median() {
    sort -n | sed -n "$(((runs + 1) / 2))p"
}

kinds=(bt)
if command -v qemu-system-i386 >/dev/null; then
    kinds+=(tcg)
fi
export ringside BUILD kernel args
for ((i = 0; i < runs; i++)); do
    for kind in "${kinds[@]}"; do
        declare -a "times_$kind+=($(measure "$kind"))"
    done
done
echo "Debian 686 kernel, boot to the initramfs and power off (seconds):"
for kind in "${kinds[@]}"; do
    declare -n times=times_$kind
    label=ringside,\ bt
    [ "$kind" = bt ] || label='QEMU, TCG'
    printf '  %-14s median %6s   of %s\n' "$label" \
        "$(printf '%s\n' "${times[@]}" | median)" "${times[*]}"
    unset -n times
done
