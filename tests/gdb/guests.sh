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

# What the disks of make_modes and make_long have in common.  In each mode a
# function MODE_outer calls MODE_inner, which has a label MODE_leaf.
asm_of_disks() {
    cat <<'ASM'
    .set TSS_AT, 0x5000
    .set IDT, 0x6000
    .set POWER_OFF, 0xf4

    .macro function name
    .globl \name
    .type \name, @function
\name:
    .endm
    .macro frames mode, bp, sp, ax, value
    function \mode\()_outer
    push %\bp
    mov %\sp, %\bp
    push %\ax
    call \mode\()_inner
    pop %\ax
    pop %\bp
    ret
    .size \mode\()_outer, . - \mode\()_outer
    function \mode\()_inner
    push %\bp
    mov %\sp, %\bp
    mov $\value, %\ax
    .globl \mode\()_leaf
\mode\()_leaf:
    nop
    pop %\bp
    ret
    .size \mode\()_inner, . - \mode\()_inner
    .endm
    .macro frames16 mode
    frames \mode, bp, sp, ax, 0x1234
    .endm
    .macro frames32 mode
    frames \mode, ebp, esp, eax, 0x12345678
    .endm
    .macro frames64 mode
    frames \mode, rbp, rsp, rax, 0x123456789abcdef0
    .endm

    .macro start_stack
    mov $0x2000, %ax
    mov %ax, %ss
    mov $0x1000, %sp
    .endm
    .macro load_rest            # 3 sectors
    xor %ax, %ax
    mov %ax, %es
    mov $0x7e00, %bx
    mov $0x0203, %ax
    mov $2, %cx
    xor %dh, %dh
    int $0x13
    .endm
    .macro set_pe
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    .endm
    .macro set_pg
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
    .endm
    .macro start_flat32
    mov $DS32, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $0x90000, %esp
    xor %ebp, %ebp
    .endm
    .macro use_tables ss0       # the TSS and the IDT
    movl $0x80000, TSS_AT + 4   # esp0, rsp0
    movl $\ss0, TSS_AT + 8
    movl $0x680000, TSS_AT + 100
    mov $TSS, %ax
    ltr %ax
    lidt idtr
    .endm
ASM
}

# FILE.S as FILE.elf, its bytes and its names; FILE.moved.elf is the same but
# linked for 1000h higher up.
link_disk() { # FILE BITS EMULATION
    gcc "-m$2" -g -c -o "$1.o" "$1.S" &&
        ld -m "$3" -Ttext 0x7c00 -o "$1.elf" "$1.o" &&
        ld -m "$3" -Ttext 0x8c00 -o "$1.moved.elf" "$1.o" &&
        objcopy -O binary -j .text "$1.elf" "$1" && nm "$1.elf" >"$1.sym"
}

# A disk that goes through the processor's modes: real, 16- and 32-bit
# protected, paging, ring 3, V86 and back; then it powers off with status 7.
make_modes() { # FILE: FILE.elf gets the symbols
    asm_of_disks >"$1.S"
    cat >>"$1.S" <<'ASM'
    .set CS16, 0x08             # base 7c00h
    .set DS16, 0x10
    .set SS16, 0x18             # base 20000h
    .set CS32, 0x20
    .set DS32, 0x28
    .set CS_USER, 0x33
    .set DS_USER, 0x3b
    .set TSS, 0x40
    .set PD, 0x10000
    .set PT, 0x11000

    .text
    .code16
    function _start
    ljmp $0x07c0, $(1f - _start)
1:  cli
    start_stack
    load_rest
    mov %cs, %ax
    mov %ax, %ds
    xor %bp, %bp
    call real_outer
    jmp on
    .size _start, . - _start
    frames16 real
    .org 510
    .byte 0x55, 0xaa

    function on
    lgdt gdtr - _start
    set_pe
    ljmp $CS16, $(prot16 - _start)
    .size on, . - on
    function prot16
    mov $DS16, %ax
    mov %ax, %ds
    mov $SS16, %ax
    mov %ax, %ss
    mov $0x1000, %sp
    call prot16_outer
    ljmpl $CS32, $prot32
    .size prot16, . - prot16
    frames16 prot16

    .code32
    function prot32
    start_flat32
    call prot32_outer
    movl $(PT + 7), PD
    mov $PT, %edi               # 4 MiB, one to one, for everybody
    mov $7, %eax
1:  stosl
    add $0x1000, %eax
    cmp $0x400007, %eax
    jb 1b
    mov $PD, %eax
    mov %eax, %cr3
    set_pg
    call paging_outer
    use_tables DS32
    movl $(system_call + CS32 * 0x10000), IDT + 8 * 0x30
    movl $0xee00, IDT + 8 * 0x30 + 4
    movl $(general_protection + CS32 * 0x10000), IDT + 8 * 13
    movl $0x8e00, IDT + 8 * 13 + 4
    pushl $DS_USER
    pushl $0x70000
    pushl $2
    pushl $CS_USER
    pushl $user
    iret
    .size prot32, . - prot32
    frames32 prot32
    frames32 paging

    function user
    mov $DS_USER, %eax
    mov %eax, %ds
    mov %eax, %es
    xor %ebp, %ebp
    call user_outer
    int $0x30
    .size user, . - user
    frames32 user

    function system_call
    pushl $0                    # gs, fs, ds, es
    pushl $0
    pushl $0x07c0
    pushl $0
    pushl $0x3000               # ss:sp
    pushl $0x1000
    pushl $0x20002              # VM
    pushl $0x07c0               # cs:ip
    pushl $(v86 - _start)
    iret
    .size system_call, . - system_call

    .code16
    function v86
    xor %bp, %bp
    call v86_outer
    int $0x31                   # not allowed: to general_protection
    .size v86, . - v86
    frames16 v86

    .code32
    function general_protection
    mov $DS32, %eax
    mov %eax, %ds
    mov $3, %al
    out %al, $POWER_OFF
    hlt
    .size general_protection, . - general_protection

    .balign 8
gdt: .quad 0
    .quad 0x00009a007c00ffff, 0x000092007c00ffff, 0x000092020000ffff
    .quad 0x00cf9a000000ffff, 0x00cf92000000ffff
    .quad 0x00cffa000000ffff, 0x00cff2000000ffff
    .quad 0x0000890050000067
gdtr: .word . - gdt - 1
    .long gdt
idtr: .word 0x7ff
    .long IDT
    .org 2048
ASM
    link_disk "$1" 32 elf_i386
}

# A disk that goes on where those of make_modes end: real, protected, 64-bit,
# compatibility mode and 64-bit ring 3; then it powers off with status 9.  Its
# upper half is the kernel's: `high` runs at KERNEL + its address.
make_long() { # FILE: FILE.elf gets the symbols
    asm_of_disks >"$1.S"
    cat >>"$1.S" <<'ASM'
    .set CS32, 0x08
    .set DS32, 0x10
    .set CS64, 0x18
    .set DS_USER, 0x23
    .set CS_USER, 0x2b
    .set TSS, 0x30
    .set PML4, 0x10000
    .set PDPT, 0x11000
    .set PD, 0x12000
    .set KERNEL, 0xffffffff80000000

    .text
    .code16
    function _start
    ljmp $0, $1f
1:  cli
    xor %ax, %ax
    mov %ax, %ds
    start_stack
    load_rest
    xor %bp, %bp
    call real_outer
    lgdt gdtr
    set_pe
    ljmp $CS32, $prot32
    .size _start, . - _start
    frames16 real
    .org 510
    .byte 0x55, 0xaa

    .code32
    function prot32
    start_flat32
    call prot32_outer
    mov $PML4, %edi
    xor %eax, %eax
    mov $0xc00, %ecx
    rep stosl
    movl $(PDPT + 7), PML4
    movl $(PDPT + 7), PML4 + 8 * 511
    movl $(PD + 7), PDPT
    movl $(PD + 7), PDPT + 8 * 510
    movl $0x87, PD              # 2 MiB, at 0 and at KERNEL, for everybody
    mov $PML4, %eax
    mov %eax, %cr3
    mov $0x620, %eax            # PAE, OSFXSR, OSXMMEXCPT
    mov %eax, %cr4
    mov $0xc0000080, %ecx
    xor %edx, %edx
    mov $0x901, %eax            # LME, NXE, SCE
    wrmsr
    set_pg
    ljmp $CS64, $long64
    .size prot32, . - prot32
    frames32 prot32

    .code64
    function long64
    mov $0x123456789abcdef0, %r15
    movq %r15, %xmm15
    fninit
    fldpi
    mov $0xc0000101, %ecx       # GS.base
    mov $0xffffffff, %edx
    mov $0x80007000, %eax
    wrmsr
    xor %ebp, %ebp
    call long64_outer
    mov $high, %rax
    add $KERNEL, %rax
    jmp *%rax
    .size long64, . - long64
    frames64 long64

    function high
    mov $(KERNEL + 0x90000), %rsp
    xor %ebp, %ebp
    call high_outer
    mov $0x90000, %rsp
    pushq $CS32
    pushq $compat32
    lretq
    .size high, . - high
    frames64 high

    .code32
    function compat32
    xor %ebp, %ebp
    call compat32_outer
    ljmp $CS64, $1f
    .size compat32, . - compat32
    frames32 compat32

    .code64
1:  use_tables 0
    movl $(system_call + CS64 * 0x10000), IDT + 16 * 0x30
    movl $0xee00, IDT + 16 * 0x30 + 4
    movq $0, IDT + 16 * 0x30 + 8
    pushq $DS_USER
    pushq $0x70000
    pushq $2
    pushq $CS_USER
    pushq $user
    iretq

    function user
    xor %ebp, %ebp
    call user_outer
    int $0x30
    .size user, . - user
    frames64 user

    function system_call
    mov $4, %al
    out %al, $POWER_OFF
    hlt
    .size system_call, . - system_call

    .balign 8
gdt: .quad 0
    .quad 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00af9a000000ffff
    .quad 0x00cff2000000ffff, 0x00affa000000ffff
    .quad 0x0000890050000067, 0
gdtr: .word . - gdt - 1
    .long gdt
    .balign 8
idtr: .word 0xfff
    .quad IDT
    .org 2048
ASM
    link_disk "$1" 64 elf_x86_64
}
