/*
 * The BIOS as the guest's processor sees it: stubs in ROM at F000:8000h.
 * Interrupts from the timer and the keyboard, and waiting for a key, are real
 * code; every other call goes through the door of dev/bios_call.h.
 *
 * The image starts with a table of (vector, offset) words that firmware.c
 * makes the interrupt vectors of; FFFFh ends it.
 */
#include "vmm/machine/bios_layout.h"

        .section .rodata
        .globl  bios_rom, bios_rom_end
        .code16

#define OFFSET(label) (ROM_BIOS_OFFSET + (label) - bios_rom)
#define VECTOR(n, label) .word n, OFFSET(label)

bios_rom:
        VECTOR(0x08, irq_timer)
        VECTOR(0x09, irq_keyboard)
        VECTOR(0x0a, irq_master)
        VECTOR(0x0b, irq_master)
        VECTOR(0x0c, irq_master)
        VECTOR(0x0d, irq_master)
        VECTOR(0x0e, irq_master)
        VECTOR(0x0f, irq_master)
        VECTOR(0x10, int10)
        VECTOR(0x11, int11)
        VECTOR(0x12, int12)
        VECTOR(0x13, int13)
        VECTOR(0x14, int14)
        VECTOR(0x15, int15)
        VECTOR(0x16, int16)
        VECTOR(0x18, int18)
        VECTOR(0x19, int19)
        VECTOR(0x1a, int1a)
        VECTOR(0x70, irq_slave)
        VECTOR(0x71, irq_slave)
        VECTOR(0x72, irq_slave)
        VECTOR(0x73, irq_slave)
        VECTOR(0x74, irq_slave)
        VECTOR(0x75, irq_slave)
        VECTOR(0x76, irq_slave)
        VECTOR(0x77, irq_slave)
        .word   0xffff, OFFSET(nothing)

nothing:
        iret

irq_slave:
        push    %ax
        mov     $0x20, %al
        out     %al, $0xa0
        out     %al, $0x20
        pop     %ax
        iret

irq_master:
        push    %ax
        mov     $0x20, %al
        out     %al, $0x20
        pop     %ax
        iret

/* 18.2 times a second: count, wrap at midnight, let INT 1Ch know. */
irq_timer:
        push    %ds
        pushl   %eax
        mov     $0x40, %ax
        mov     %ax, %ds
        mov     0x6c, %eax
        inc     %eax
        cmp     $0x1800b0, %eax
        jb      1f
        xor     %eax, %eax
        movb    $1, 0x70
1:      mov     %eax, 0x6c
        popl    %eax
        pop     %ds
        int     $0x1c
        jmp     irq_master

irq_keyboard:
        push    $0x09
        call    door
        add     $2, %sp
        jmp     irq_master

int10:  push    $0x10
        jmp     service
int11:  push    $0x11
        jmp     service
int12:  push    $0x12
        jmp     service
int13:  push    $0x13
        jmp     service
int14:  push    $0x14
        jmp     service
int1a:  push    $0x1a
        jmp     service

/* AH = 86h waits CX:DX microseconds: the refresh bit turns every 15 of them. */
int15:
        cmp     $0x86, %ah
        je      1f
        push    $0x15
        jmp     service
1:      sti
        pushal
        shl     $16, %ecx
        mov     %dx, %cx
        mov     %ecx, %eax
        xor     %edx, %edx
        mov     $15, %ecx
        div     %ecx
        lea     1(%eax), %ecx
        in      $0x61, %al
        and     $0x10, %al
        mov     %al, %ah
2:      in      $0x61, %al
        and     $0x10, %al
        cmp     %al, %ah
        je      2b
        mov     %al, %ah
        dec     %ecx
        jnz     2b
        popal
        push    %bp
        mov     %sp, %bp
        andb    $0xfe, 6(%bp)           /* CF of the caller */
        pop     %bp
        iret

/* AH = 00h, 10h wait for a key: with interrupts on and the processor halted. */
int16:
        test    $0xef, %ah
        jnz     3f
        push    %ds
        push    %bx
        mov     $0x40, %bx
        mov     %bx, %ds
1:      cli
        mov     0x1a, %bx
        cmp     0x1c, %bx
        jne     2f
        sti
        hlt
        jmp     1b
2:      pop     %bx
        pop     %ds
3:      push    $0x16
        jmp     service

/* Loads the boot sector anew and enters it; without one, INT 18h. */
int19:
        xor     %ax, %ax
        mov     %ax, %ss
        mov     $0x7c00, %sp
        pushf
        push    %cs
        push    $OFFSET(1f)
        push    $0x19
        jmp     service
1:      jc      int18
        sti
        mov     $0x80, %dx
        ljmp    $0, $0x7c00

int18:
        sti
        hlt
        jmp     int18

service:
        call    door
        add     $2, %sp
        iret

/* Shows struct bios_frame to the monitor; the interrupt is on the stack. */
door:
        pushal
        push    %ds
        push    %es
        mov     %sp, %bp
        mov     $BIOS_CALL_PORT, %dx
        mov     %ss, %ax
        out     %ax, %dx
        add     $2, %dx
        mov     %bp, %ax
        out     %ax, %dx
        add     $2, %dx
        mov     38(%bp), %al            /* bios_frame.vector */
        out     %al, %dx
        pop     %es
        pop     %ds
        popal
        ret
bios_rom_end:

        .section .note.GNU-stack, "", @progbits
