#!/bin/bash
# Every guest on every accelerator that can run it here: typed scripts, what
# they must show, the exit status; then that the accelerators agree.
#
#   guests.sh            ONLY=REGEX NOT=REGEX ACCELS="bt kvm" BUILD=DIR as in
#                        lib.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh

# name | needs | accelerators | script | status | options
# needs: -: nothing; real: nothing, and of KVM real mode alone; i386, amd64,
# boot: what fetch-debian.sh calls so, in @; initramfs-* and boot.tar are built
# at need.
# A row's options are the shell's words.  Where a kernel's own timer counts for
# the guest, Linux is told no_timer_check: it counts ticks in a loop, and an
# emulated host loses some to whatever else runs there.
# shellcheck disable=SC2016 # expanded later
cases=(
    'ports|real|bt kvm|ports|0|-m 1M $BUILD/guests/ports.img'
    'teach|-|bt kvm|teach|0|-m 32M $BUILD/guests/teach.elf'
    'teach-disk|-|bt kvm|teach-short|0|-m 32M --disk $BUILD/guests/teach.img,ro'
    'teach-interrupt|-|bt kvm|teach-interrupt|41|-m 40M $BUILD/guests/teach.elf'
    'teach-irqchip|-|kvm|teach|0|--irqchip kernel -m 32M $BUILD/guests/teach.elf'
    'teach-screen|-|bt kvm|teach-screen|0|-m 64M --serial null --display text $BUILD/guests/teach.elf'
    'debian-686|i386|bt kvm|linux|0|-m 128M --initrd $BUILD/initramfs-i386 --kernel-args console=ttyS0 @/vmlinuz-686'
    'debian-686-pae|i386|bt kvm|linux|0|-m 128M --initrd $BUILD/initramfs-i386 --kernel-args console=ttyS0 @/vmlinuz-686-pae'
    'debian-686-irqchip|i386|kvm|linux|0|--irqchip kernel -m 128M --initrd $BUILD/initramfs-i386 --kernel-args "console=ttyS0 no_timer_check" @/vmlinuz-686'
    'memtest|i386|bt kvm|memtest|8|-m 12M --no-reboot --kernel-args console=ttyS0,115200 @/memtest.bin'
    'classic|-|bt kvm|classic|21|-m 16M --disk $BUILD/guests/classic-disk.img $BUILD/guests/classic.img'
    'classic-screen|-|bt kvm|classic-screen|23|-m 16M --serial null --display text --disk $BUILD/guests/classic-disk.img $BUILD/guests/classic.img'
    'grub|boot|bt kvm|grub|0|-m 32M --serial null --display text @/grub-floppy.img'
    'grub-halt|boot|bt kvm|grub-halt|0|-m 32M --serial null --display text @/grub-floppy.img'
    'grub-linux|i386 boot|bt kvm|grub-linux|0|-m 128M --serial null --display text --disk $BUILD/boot.tar,ro @/grub-floppy.img'
    'ipxe|boot|bt kvm|ipxe|0|-m 32M --serial null --display text @/ipxe.iso'
    'ipxe-lkrn|boot|bt kvm|ipxe-lkrn|0|-m 32M --serial null --display text @/ipxe.lkrn'
    'memdisk|boot|bt kvm|memdisk|0|-m 32M --serial null --display text --initrd @/grub-floppy.img @/memdisk'
    'gnumach|boot|bt kvm|gnumach|0|-m 32M --serial null --display text @/gnumach'
    'debian-amd64|amd64|kvm|linux64|0|-m 192M --initrd $BUILD/initramfs-amd64 --kernel-args console=ttyS0 @/vmlinuz-amd64'
    'debian-amd64-irqchip|amd64|kvm|linux64|0|--irqchip kernel -m 192M --initrd $BUILD/initramfs-amd64 --kernel-args "console=ttyS0 no_timer_check" @/vmlinuz-amd64'
)

# What both accelerators must show alike: all that the guest printed, but for
# kernel times and what the monitor says itself.
normalize() { # FILE
    sed -e 's/\[ *[0-9]*\.[0-9]*\] //' -e '/^ringside: /d' "$1"
}

compare() { # NAME
    if diff <(normalize "$logs/$1-bt.out") <(normalize "$logs/$1-kvm.out") \
        >"$logs/$1.diff"; then
        pass "$1-same"
    else
        fail "$1-same" "bt and kvm differ: $(sed -n 2p "$logs/$1.diff")"
    fi
}

run_case() { # a row of the table
    local name needs accels script status options accel lacks debian='' why ran=''
    local words
    IFS='|' read -r name needs accels script status options <<<"$1"
    [[ $name =~ $only ]] && ! [[ -n ${NOT:-} && $name =~ $NOT ]] || return
    if [ "$needs" != - ] && [ "$needs" != real ]; then
        # shellcheck disable=SC2086 # sets are words
        lacks=$(debian_lacks $needs)
        if [ -n "$lacks" ]; then
            for accel in $accels; do
                [[ " $accels_wanted " != *" $accel "* ]] ||
                    skip "$name-$accel" "$lacks"
            done
            return
        fi
        debian=$(debian_dir "${needs%% *}")
        [ "${needs%% *}" = boot ] || initramfs "${needs%% *}"
        [[ $options != */boot.tar* ]] || boot_tar "$debian"
    fi
    options=${options//\$BUILD/$BUILD}
    options=${options//@/$debian}
    for accel in $accels; do
        [[ " $accels_wanted " == *" $accel "* ]] || continue
        lacks=$(accel_lacks "$accel" "$needs")
        if [ -n "$lacks" ]; then
            skip "$name-$accel" "$lacks"
            continue
        fi
        eval "words=($options)"
        typed "$name-$accel" "$script" "$status" \
            "$ringside" run --accel "$accel" "${words[@]}"
        if [ -n "$why" ]; then
            fail "$name-$accel" "$why"
        else
            pass "$name-$accel"
            ran=1
        fi
    done
    # Others print what processor they found and how long things took: only
    # our own must be the same on both.  The other one's transcript may be of
    # an earlier run, or of another machine.
    if [ -n "$ran" ] && [[ $script == teach || $script == classic || $script == ports ]] &&
        [ -s "$logs/$name-bt.out" ] && [ -s "$logs/$name-kvm.out" ]; then
        compare "$name"
    fi
}

accels_wanted=${ACCELS:-bt kvm}
for row in "${cases[@]}"; do
    run_case "$row"
done
[ "$failed" -eq 0 ]
