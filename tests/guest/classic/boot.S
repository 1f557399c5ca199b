/*
 * Boot sector and entry of the classic kernel (main.c): A20 through the
 * keyboard controller, protected mode, the rest from disk 0 by ATA PIO with
 * INS, paging with 4 MiB pages, then main() in the upper half.
 */
#include "layout.h"

        .section .boot, "ax"
        .code16
        .globl _start
_start:
        cli
        cld
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        call    kbc_idle
        mov     $0xd1, %al              /* write the output port ... */
        out     %al, $0x64
        call    kbc_idle
        mov     $0xdf, %al              /* ... with A20 open */
        out     %al, $0x60
        lgdt    gdt_pointer
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmp    $SEL_CODE, $protected

kbc_idle:
        in      $0x64, %al
        test    $2, %al
        jnz     kbc_idle
        ret

        .code32
protected:
        mov     $SEL_DATA, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $_start, %esp
        mov     $LOAD, %edi
        mov     $1, %ebx                /* the sector; 0 is this one */
1:      call    ata_idle
        mov     $0x1f2, %dx             /* one sector, LBA in EBX, disk 0 */
        mov     $1, %al
        out     %al, %dx
        inc     %dx
        mov     %ebx, %eax
        out     %al, %dx
        inc     %dx
        shr     $8, %eax
        out     %al, %dx
        inc     %dx
        shr     $8, %eax
        out     %al, %dx
        inc     %dx
        mov     $0xe0, %al
        out     %al, %dx
        inc     %dx
        mov     $0x20, %al              /* READ SECTORS */
        out     %al, %dx
        call    ata_idle
        mov     $0x1f0, %dx
        mov     $128, %ecx
        rep insl
        inc     %ebx
        cmp     $1 + SECTORS, %ebx
        jne     1b
        jmp     entry - KERNEL_BASE

ata_idle:
        mov     $0x1f7, %dx
2:      in      %dx, %al
        and     $0xc0, %al
        cmp     $0x40, %al              /* DRDY without BSY */
        jne     2b
        ret

        .p2align 2
gdt:    .quad   0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
        .word   . - gdt - 1
        .long   gdt
        .org    510
        .word   0xaa55

        .text
        .globl entry
entry:  mov     %cr4, %eax
        or      $0x10, %eax             /* PSE */
        mov     %eax, %cr4
        mov     $page_directory - KERNEL_BASE, %eax
        mov     %eax, %cr3
        mov     %cr0, %eax
        or      $0x80010000, %eax       /* PG, WP */
        mov     %eax, %cr0
        mov     $stack_top, %esp
        mov     $main, %eax
        jmp     *%eax

        .macro  TRAP name, vector
        .globl  trap_\name
trap_\name:
        pushal
        push    $\vector
        call    on_interrupt
        add     $4, %esp
        popal
        iret
        .endm
        TRAP    timer, TIMER
        TRAP    keyboard, KEYBOARD
        TRAP    serial, SERIAL
        TRAP    disk, DISK
        TRAP    spurious, SPURIOUS

        .data
        .p2align 12
/* Low 4 MiB where they are and at KERNEL_BASE; the APICs where they are. */
page_directory:
        .long   0x00000083
        .fill   (KERNEL_BASE >> 22) - 1, 4, 0
        .long   0x00000083
        .fill   0x3fb - (KERNEL_BASE >> 22) - 1, 4, 0
        .long   0xfec00000 + 0x93       /* uncached */
        .fill   4, 4, 0

        .bss
        .p2align 12
        .skip   4096
stack_top:

        .section .note.GNU-stack, "", @progbits
