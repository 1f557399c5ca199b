#!/bin/bash
# The A20 gate on each accelerator: while it is shut, real mode wraps at 1 MiB.
# A boot sector opens and shuts it by the BIOS (INT 15h, AX=240xh) and port 92h
# and says by its exit status which look was wrong; 33: none.
#
#   a20.sh               ONLY=REGEX ACCELS="bt kvm" BUILD=DIR as in lib.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/a20.S" <<'ASM'
    .code16
    .globl _start
    # Writes VALUE at 102000h; what is at 2000h then has to be SEEN.
    .macro look value, seen
    inc %bl
    movb $\value, 0x2010            # ds is ffff
    cmpb $\seen, %es:0x2000
    jne wrong
    .endm
_start:
    cli
    xor %bx, %bx
    mov %bx, %es
    mov %bx, %ss
    mov $0x7000, %sp
    mov $0xffff, %ax
    mov %ax, %ds
    movb $0x11, %es:0x2000
    mov $0x2401, %ax
    int $0x15
    look 0x22, 0x11
    mov $0x2400, %ax
    int $0x15
    look 0x33, 0x33
    in $0x92, %al
    or $2, %al
    out %al, $0x92
    look 0x44, 0x33
    in $0x92, %al
    and $0xfd, %al
    out %al, $0x92
    look 0x55, 0x55
    mov $0x2401, %ax
    int $0x15
    look 0x66, 0x55
    mov $16, %bl
wrong:
    mov %bl, %al
    out %al, $0xf4
    hlt
    .org 510
    .byte 0x55, 0xaa
ASM
if ! gcc -m32 -c -o "$work/a20.o" "$work/a20.S" ||
    ! objcopy -O binary -j .text "$work/a20.o" "$work/a20.img"; then
    fail a20 "the boot sector does not assemble"
    exit 1
fi
for accel in ${ACCELS:-bt kvm}; do
    [[ a20-$accel =~ $only ]] || continue
    # Real mode is enough, which a partial KVM has.
    if [ "$accel" = kvm ] && ! "$ringside" doctor --json |
        grep -q '"real mode": true'; then
        skip a20-kvm "$(accel_lacks kvm)"
        continue
    fi
    timeout 60 "$ringside" run --accel "$accel" -m 5M --serial null \
        --timeout 30 "$work/a20.img" </dev/null 2>"$logs/a20-$accel.err"
    status=$?
    if [ $status -eq 33 ]; then
        pass "a20-$accel"
    else
        fail "a20-$accel" "status $status, not 33 (see $logs/a20-$accel.err)"
    fi
done
[ "$failed" -eq 0 ]
