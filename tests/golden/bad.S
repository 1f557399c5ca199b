/*
 * What the runtime checks are for, one thing at a time: CODE, STACK, HLT or
 * TRIPLE is defined.  Starts as a flat ELF in 32-bit mode without paging.
 */
        .text
        .globl  start
start:
        movl    $stack_top, %esp
#ifdef CODE
        call    victim
        movb    $0x40, victim           /* inc %eax where a nop was */
        call    victim
#endif
#ifdef STACK
        call    recurse
#endif
#ifdef TRIPLE
        lidt    no_idt
        ud2
#endif
        cli
idle:   hlt
        jmp     idle

victim: nop
        ret

recurse:
        pushl   %ebp
        call    recurse
        popl    %ebp
        ret

        .data
no_idt: .word   0
        .long   0

        .bss
        .balign 4096
        .skip   4096                    /* what an overflow overwrites */
stack:  .skip   4096
stack_top:
