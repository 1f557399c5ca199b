#!/bin/bash
# How fast bt runs code whose segments are not flat: a sort of loop in real
# mode, in 16-bit and in 32-bit protected mode with bases and limits, and in
# flat 32-bit code; millions of instructions a second.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Every loop: memory through DS, ES and SS, a call, a string instruction.
cat >"$work/loop.inc" <<'ASM'
    .macro LOOP
    mov $0x100, %si
1:  mov (%si), %ax
    add $7, %ax
    mov %ax, %es:2(%si)
    push %ax
    call 2f
    pop %bx
    inc %cx
    xor %ah, 4(%si)
    jmp 1b
2:  lea 3(%bx), %dx
    cmp %dx, %ax
    ret
    .endm
ASM
for mode in real prot16 based32 flat32; do
    cat >"$work/$mode.S" <<ASM
    .include "$work/loop.inc"
    .set real, 0
    .set prot16, 1
    .set based32, 2
    .set flat32, 3
    .code16
    .globl _start
_start:
    cli
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov \$0x6000, %sp
    mov \$0x2000, %ax
    mov %ax, %es
    .if $mode == real
    LOOP
    .else
    lgdt gdtr
    mov %cr0, %eax
    or \$1, %al
    mov %eax, %cr0
    .if $mode == prot16
    ljmp \$0x08, \$prot
    .elseif $mode == based32
    ljmp \$0x18, \$prot
    .else
    ljmp \$0x28, \$prot
    .endif
    .endif
prot:
    .if $mode != prot16
    .code32
    .endif
    mov \$(0x10 + 0x10 * ($mode - 1)), %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    .if $mode == prot16
    LOOP
    .else
    mov \$0x100, %esi
    mov \$0x7000, %esp
1:  mov (%esi), %eax
    add \$7, %eax
    mov %eax, %es:2(%esi)
    push %eax
    call 2f
    pop %ebx
    inc %ecx
    xor %ah, 4(%esi)
    jmp 1b
2:  lea 3(%ebx), %edx
    cmp %edx, %eax
    ret
    .endif
    .balign 8
gdt: .quad 0
    .quad 0x00009b000000ffff, 0x000093010000ffff    # 16 bits
    .quad 0x00409b000000ffff, 0x004093010000ffff    # 32 bits
    .quad 0x00cf9b000000ffff, 0x00cf93000000ffff    # flat
gdtr: .word gdtr - gdt - 1
    .long gdt
    .org 510
    .word 0xaa55
ASM
    gcc -m32 -nostdlib -static -Wl,-Ttext=0x7c00,--build-id=none \
        -Wl,--oformat=binary -o "$work/$mode.img" "$work/$mode.S" ||
        exit 1
done

insns=${INSNS:-200000000}
echo "bt, code of each mode (millions of instructions a second):"
for mode in real prot16 based32 flat32; do
    start=$(date +%s%N)
    "$BUILD/ringside" run --accel bt -m 2M --serial null \
        --max-insns "$insns" "$work/$mode.img" </dev/null >"$work/out" 2>&1
    end=$(date +%s%N)
    printf '  %-8s %8s\n' "$mode" $((insns * 1000 / (end - start)))
done
