/*
 * Entry from the boot loader, the way into a case and out of it, the targets
 * of gates and tasks, and the real-mode suite.
 */
.set MB_MAGIC, 0x1badb002
.section .multiboot, "a"
.p2align 2
    .long MB_MAGIC, 0, -MB_MAGIC

.text
.globl _start
_start:
    xchg %eax, %ebx                /* main's argument: the boot information */
    cld
    mov $boot_stack_top, %esp
    call main
1:  cli
    hlt
    jmp 1b

/*
 * enter(frame): FRAME is what IRET and the pops below want:
 *   gs fs es ds | edi esi ebp - ebx edx ecx eax | esp ss | eip cs eflags ...
 * With CS of ring 0, IRET takes three words from the stack at esp:ss.
 */
.globl enter
enter:
    mov 4(%esp), %eax
    pushal
    mov %esp, saved_esp
    mov %eax, %esp
    testl $0x20000, 64(%esp)       /* V86: IRET takes everything */
    jnz 1f
    testl $3, 60(%esp)
    jz 2f
1:  pop %gs
    pop %fs
    pop %es
    pop %ds
    popal
    add $8, %esp
    iret
2:  pop %gs                        /* ring 0: build the frame over there */
    pop %fs
    pop %es
    pop %ds
    mov 32(%esp), %eax             /* esp */
    sub $16, %eax
    mov 40(%esp), %edx
    mov %edx, 4(%eax)              /* eip */
    mov 44(%esp), %edx
    mov %edx, 8(%eax)
    mov 48(%esp), %edx
    mov %edx, 12(%eax)
    mov 28(%esp), %edx             /* eax, last of all */
    mov %edx, (%eax)
    mov %eax, 28(%esp)
    mov 36(%esp), %edx
    mov %edx, new_ss
    popal
    mov new_ss, %ss
    mov %eax, %esp
    pop %eax
    iret

/* Back to whoever called enter(), on its stack. */
.globl resume
resume:
    pushl $2
    popf                           /* NT may be set: we came by a task */
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    mov saved_esp, %esp
    popal
    ret

/* ---- exceptions --------------------------------------------------------- */

.macro STUB vector
stub_\vector:
    .if \vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17
    .else
    pushl $0
    .endif
    pushl $\vector
    jmp common
.endm
.altmacro
.macro STUBS from
.set i, \from
.rept 64
    STUB %i
    .set i, i + 1
.endr
.endm
    STUBS 0
    STUBS 64
    STUBS 128
    STUBS 192

common:
    pushal
    push %ds
    push %es
    push %fs
    push %gs
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    cld
    mov %esp, %eax
    push %eax
    call trap
    add $4, %esp
    pop %gs
    pop %fs
    pop %es
    pop %ds
    popal
    add $8, %esp
    iret

.section .rodata
.globl stub_table
.p2align 2
stub_table:
.macro STUB_ADDRESS vector
    .long stub_\vector
.endm
.set i, 0
.rept 256
    STUB_ADDRESS %i
    .set i, i + 1
.endr
.text

/* The task that task gates for faults lead to; the error code is pushed. */
.globl df_entry
df_entry:
    mov (%esp), %eax
    push %eax
    call trap_by_task

/* ---- where gates and tasks lead ----------------------------------------- */

/* What SYSENTER finds, then the end of the case. */
.globl sysenter_entry
sysenter_entry:
    mov %cs, %eax
    mov %ss, %ebx
    mov %esp, %ecx
    pushf
    pop %edx
    int $0x30

/* Through a call gate: shows what was pushed, then returns. */
.globl gate_target
gate_target:
    mov (%esp), %eax               /* EIP */
    mov 4(%esp), %ebx              /* CS */
    mov 8(%esp), %ecx              /* first parameter */
    mov 12(%esp), %edx
    mov 16(%esp), %esi             /* outer ESP */
    mov 20(%esp), %edi             /* outer SS */
    mov %esp, %ebp
    lret $8

.globl gate_target16
.code16
gate_target16:
    mov 2(%esp), %ax               /* CS */
    mov 4(%esp), %ebx              /* parameter, outer SP */
    mov 8(%esp), %cx               /* outer SS */
    mov %esp, %ebp
    int $0x30
.code32

/* The other task: a marker in EAX, its own ESP in EBX, back by IRET. */
.globl task_entry
task_entry:
    mov $0x7a5c7a5c, %eax
    mov %esp, %ebx
    mov %eax, 0x800100             /* T0 + 100h, for the caller */
    mov %ebx, 0x800104
    pushf
    popl 0x800108
    str %ecx
    mov %ecx, 0x80010c
    iret
    jmp task_entry

/* The same of 16 bits: CODE16 has its base here. */
.globl task16_entry
.p2align 4
.code16
task16_entry:
    mov $0x1616, %ax
    mov %ax, 0x100
    mov %sp, %bx
    mov %bx, 0x102
    str %cx
    mov %cx, 0x104
    iretw
.code32

/* ---- real mode ---------------------------------------------------------- */

/* Leaves protected mode, runs the blob at LOW, and comes back. */
.globl real_call
real_call:
    pushal
    mov %esp, saved_esp
    sidt real_idt
    mov %cr0, %eax
    mov %eax, real_cr0
    and $0x7fffffff, %eax
    mov %eax, %cr0                 /* paging off: we are mapped to ourselves */
    ljmp $0xb0, $0                 /* CODE16 with base LOW: the blob */
.globl real_back
real_back:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    mov saved_esp, %esp
    mov real_cr0, %eax
    mov %eax, %cr0
    lidt real_idt
    popal
    ret

/*
 * The blob, copied to LOW.  What it finds goes to LOW + 1000h on, as 16-bit
 * words: a test's number, then vector and IP of its exception, or FFFFh and
 * what it looked for.
 */
#define OFF(x) ((x) - real_blob)
#define TESTNO(n) movw $n, %gs:OFF(number); movw $OFF(1f), %gs:OFF(next)
#define FOUND(reg) mov reg, %dx; call found; 1:

.globl real_blob, real_blob_end
.code16
real_blob:
    mov $0xb8, %ax                 /* 64 KiB limits */
    mov %ax, %ss
    mov %ax, %es
    mov %ax, %fs
    mov %ax, %gs
    mov $0x10, %ax                 /* 4 GiB: "unreal" */
    mov %ax, %ds
    mov %cr0, %eax
    and $0xfffffffe, %eax
    mov %eax, %cr0
    ljmp $0x2000, $OFF(in_real)
in_real:
    mov $0x2000, %ax
    mov %ax, %gs
    mov %ax, %es
    mov %ax, %ss
    mov %ax, %ds
    mov $0xf000, %esp
    mov $0x1000, %di               /* where results go */
    lidtl %gs:OFF(idtr)
    TESTNO(1)                      /* DS kept its 4 GiB limit */
    mov $0x7e0000, %ebx
    movl $0x600d600d, (%ebx)       /* linear 800000h */
    mov (%ebx), %eax
    FOUND(%ax)
    TESTNO(2)                      /* ES has 64 KiB */
    mov %es:(%ebx), %eax
    FOUND(%ax)
    TESTNO(3)                      /* a word at FFFFh */
    mov $0xffff, %bx
    mov %es:(%bx), %ax
    FOUND(%ax)
    TESTNO(4)                      /* divide error */
    xor %ax, %ax
    xor %dx, %dx
    div %ax
    FOUND(%ax)
    TESTNO(5)
    .byte 0x0f, 0x0b               /* ud2 */
    FOUND(%ax)
    TESTNO(6)
    sldt %ax
    FOUND(%ax)
    TESTNO(7)
    lar %ax, %bx
    FOUND(%ax)
    TESTNO(8)                      /* INT n and IRET: flags in the handler */
    sti
    stc
    int $0x20
    FOUND(%bx)
    TESTNO(9)                      /* beyond the table's limit */
    int $0x21
    FOUND(%ax)
    TESTNO(10)                     /* POPF sets IOPL and NT */
    pushw $0x7202
    popfw
    pushfw
    pop %ax
    pushw $0x0002
    popfw
    FOUND(%ax)
    TESTNO(11)
    smsw %ax
    FOUND(%ax)
    TESTNO(12)                     /* paging without protection */
    mov %cr0, %eax
    mov %eax, %ecx
    or $0x80000000, %eax
    mov %eax, %cr0
    FOUND(%ax)
    mov %ecx, %cr0
    TESTNO(13)                     /* far call and return */
    lcall $0x2000, $OFF(far_away)
    FOUND(%ax)
    TESTNO(14)                     /* 32-bit operands */
    pushl $0x12345678
    pop %ax
    pop %ax
    FOUND(%ax)
    TESTNO(16)                     /* BOUND */
    mov $5, %ax
    boundw %ax, %gs:OFF(range)
    FOUND(%ax)
    TESTNO(17)                     /* segment register keeps any value */
    mov $0xffff, %ax
    mov %ax, %es
    mov %es, %ax
    FOUND(%ax)
    TESTNO(18)                     /* CPL 0: a CLI is a CLI */
    cli
    pushfw
    pop %ax
    FOUND(%ax)
    movw $0, %gs:(%di)
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl $8, $real_back

/* Notes that the test came through, and DX. */
found:
    push %ax
    mov %gs:OFF(number), %ax
    mov %ax, %gs:(%di)
    movw $0xffff, %gs:2(%di)
    mov %dx, %gs:4(%di)
    add $6, %di
    pop %ax
    ret

far_away:
    mov $0xfa12, %ax
    lret

handler20:                         /* returns its flags in BX */
    pushfw
    pop %bx
    iretw

.macro REAL_HANDLER vector
real_\vector:
    pushw $\vector
    jmp real_common
.endm
REAL_HANDLER 0
REAL_HANDLER 5
REAL_HANDLER 6
REAL_HANDLER 12
REAL_HANDLER 13
real_common:
    mov %sp, %bp                   /* vector, IP, CS, flags */
    mov %gs:OFF(number), %ax
    mov %ax, %gs:(%di)
    mov 0(%bp), %ax
    mov %ax, %gs:2(%di)
    mov 2(%bp), %ax
    mov %ax, %gs:4(%di)
    add $6, %di
    add $2, %sp
    mov %gs:OFF(next), %ax
    mov %ax, 2(%bp)
    iretw

number: .word 0
next:   .word 0
range:  .word 6, 9
idtr:   .word 0x20 * 4 + 3
        .long 0x20000 + (ivt - real_blob)
.macro IVT vector, handler
    .org ivt + \vector * 4
    .word OFF(\handler), 0x2000
.endm
.p2align 2
ivt:
IVT 0, real_0
IVT 5, real_5
IVT 6, real_6
IVT 12, real_12
IVT 13, real_13
IVT 32, handler20
real_blob_end:
.code32

.bss
.p2align 4
    .skip 16384
boot_stack_top:
.globl saved_esp
saved_esp: .skip 4
new_ss:    .skip 4
real_cr0:  .skip 4
real_idt:  .skip 8
