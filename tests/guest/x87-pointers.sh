#!/bin/bash
# Where the last x87 instruction and its operand were, as software sees it: the
# four forms of FNSTENV (SDM vol. 1 8.1.10) and FXSAVE.  A boot sector sends the
# images by the serial port.  What they must be was compared with Bochs 2.7,
# which has them all, byte for byte.
#
#   x87-pointers.sh      ONLY=REGEX BUILD=DIR as in lib.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/guest/lib.sh
. tests/guest/lib.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/x87.S" <<'ASM'
    .globl _start
    .macro show bytes               # from DS:DI on
    mov $\bytes, %cx
    mov %di, %si
    rep outsb
    .endm
    .code16
_start:
    ljmp $0x7c0, $1f
    .org 0x10, 0x90
1:  cli
    mov $0x1000, %ax
    mov %ax, %ds
    mov $0x1200, %ax
    mov %ax, %es
    mov %cr4, %eax
    or $0x200, %eax                 # OSFXSR
    mov %eax, %cr4
    mov $0x3f8, %dx
    mov $0x100, %edi
    mov $0xf000, %ebx
    xor %ecx, %ecx
    xor %esi, %esi
    fninit
    .org 0x40, 0x90
    fldl %es:(%bx)
    fnstenv (%di)
    show 14
    data32 fnstenv (%di)
    show 28
    .org 0x60, 0x90
    fchs
    fxsave (%di)
    show 24
    fnstenv (%di)
    movw $0x5678, 6(%di)
    fldenv (%di)                    # a linear address, and no selector
    fxsave (%di)
    show 24
    lgdtl %cs:gdtr
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmp $8, $2f
    .code32
    .org 0xc0, 0x90
2:  mov $0x10, %al
    mov %eax, %ds
    mov $0x18, %al
    mov %eax, %es
    fninit
    movl $0, %es:8(,%ebx,2)
    .org 0xe0, 0x90
    flds %es:8(,%ebx,2)
    fnstcw (%edi)                   # leaves nothing of itself
    fnstenv (%edi)
    show 28
    .org 0x100, 0x90
    fstl 0x10(%ebx)
    data16 fnstenv (%edi)
    show 14
    movl $0, 10(%edi)
    data16 fldenv (%edi)            # there is no opcode in it
    fxsave (%edi)
    show 24
    mov $0x10, %al
    out %al, $0xf4
    hlt
gdtr: .word 0x1f
    .long gdt + 0x7c00
    .p2align 3
gdt: .quad 0
    .quad 0x00cf9a007c00ffff
    .quad 0x00cf92010000ffff
    .quad 0x00cf92012000ffff
    .org 510
    .byte 0x55, 0xaa
ASM
# Linear addresses: 7c40h, and 12000h + f000h; FOP dd 07.  Then selectors.
want="7f03 0038 ff7f 407c 0705 0010 0020
7f03ffff 0038ffff ff7fffff 407cffff 07050000 0010ffff 00200000
7f03 0038 80 00 e001 60000000 c007 0000 00f00000 0012 0000
7f03 0038 80 00 e001 78560000 0000 0000 00100200 0000 0000
7f03ffff 0038ffff ff7fffff e0000000 08000401 08e00100 1800ffff
7f03 0038 ff7f 0001 0800 10f0 1000
7f03 0038 80 00 0000 00010000 0800 0000 00000000 0000 0000"
if ! gcc -m32 -c -o "$work/x87.o" "$work/x87.S" ||
    ! objcopy -O binary -j .text "$work/x87.o" "$work/x87.img"; then
    fail x87-pointers "the boot sector does not assemble"
    exit 1
fi
for switches in check interpret check,tiny; do
    name=x87-pointers-$switches
    [[ $name =~ $only ]] || continue
    out=$work/$switches
    RINGSIDE_BT=$switches timeout 60 "$ringside" run --accel bt -m 5M \
        --serial "file:$out" --timeout 30 "$work/x87.img" </dev/null \
        2>"$logs/$name.err"
    if [ "$(od -An -v -tx1 "$out" | tr -d ' \n')" = "$(tr -d ' \n' <<<"$want")" ]; then
        pass "$name"
    else
        od -An -v -tx1 -w28 "$out" >>"$logs/$name.err"
        fail "$name" "not the images that should be (see $logs/$name.err)"
    fi
done
[ "$failed" -eq 0 ]
