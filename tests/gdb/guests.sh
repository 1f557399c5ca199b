# Guests of the gdb tests; sourced, with the tree's top as directory.
# shellcheck shell=bash

# A boot sector that counts in real mode at 07c0:0040, CS is not 0.
make_real() { # FILE
    cat >"$1.S" <<'ASM'
    .code16
    .globl _start
_start: ljmp $0x07c0, $(1f - _start)
1:  cli
    mov %cs, %ax
    mov %ax, %ds
    mov $0x2000, %ax
    mov %ax, %ss
    mov $0x100, %sp
    .org 0x40, 0x90
2:  incw 0x1f0 - 0x0            # ds:1f0 = 7df0h
    push %ax
    pop %bx
    mov $0x1234, %dx
    .org 0x50, 0x90
    nop
    jmp 2b
    .org 510
    .byte 0x55, 0xaa
ASM
    gcc -m32 -c -o "$1.o" "$1.S" && objcopy -O binary -j .text "$1.o" "$1"
}

# A multiboot kernel: protected mode, then paging (page 400000h is not mapped),
# a loop; it powers off by port f4h when ebx is not 0.
make_prot() { # FILE
    cat >"$1.S" <<'ASM'
    .section .text
    .globl _start, paging, loop, hit, touch, leave, counter, unmapped
    .long 0x1badb002, 3, -(0x1badb002 + 3)
_start:
    cli
    xor %ebx, %ebx
    xor %ecx, %ecx
    mov $0x200000, %edi         # page directory
    movl $0x201007, (%edi)
    mov $0x201000, %edi         # page table: 4 MiB, one to one
    mov $7, %eax
1:  stosl
    add $0x1000, %eax
    cmp $0x400007, %eax
    jb 1b
    mov $0x200000, %eax
    mov %eax, %cr3
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
paging:
    fninit
    fld1
    fldpi
loop:
    inc %ecx
hit:
    nop
touch:
    mov %ecx, counter
    mov counter, %edx
    test %ebx, %ebx
    jz loop
leave:
    mov $3, %eax
    mov $0xf4, %dx
    out %al, %dx
    hlt
    .balign 4
counter: .long 0
    .set unmapped, 0x400000
ASM
    printf 'ENTRY(_start) SECTIONS { . = 0x100000; .text : { *(.text) } }' \
        >"$1.ld"
    gcc -m32 -g -c -o "$1.o" "$1.S" &&
        ld -m elf_i386 -T "$1.ld" -o "$1" "$1.o" && nm "$1" >"$1.sym"
}
