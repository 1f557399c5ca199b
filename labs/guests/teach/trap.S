/*
 * The ways into the kernel: one stub for each vector, one common path, one
 * way back.  The stack then holds a struct trap_frame (kernel.h).
 * SDM vol. 3A 6.12.
 */
#define SEL_KERNEL_DATA 0x10

.text

/* Vectors 8, 10-14 and 17 bring an error code; the others get a zero. */
.macro STUB vector
trap_stub_\vector:
    .if !(\vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17)
    push    $0
    .endif
    push    $\vector
    jmp     trap_common
.endm

.altmacro
.macro STUB_NUMBER n
    STUB \n
.endm
.macro ADDRESS_NUMBER n
    .long trap_stub_\n
.endm

.set i, 0
.rept 48
    STUB_NUMBER %i
    .set i, i + 1
.endr
    STUB_NUMBER 128

trap_common:
    push    %ds
    push    %es
    push    %fs
    push    %gs
    pusha
    mov     $SEL_KERNEL_DATA, %eax
    mov     %eax, %ds
    mov     %eax, %es
    cld
    push    %esp
    call    trap_entry
    add     $4, %esp

.global trap_return
trap_return:
    popa
    pop     %gs
    pop     %fs
    pop     %es
    pop     %ds
    add     $8, %esp                    /* vector, error code */
    iret

/* Addresses of the stubs, for trap_init(): vectors 0-47, then 80h. */
.section .rodata
.balign 4
.global trap_stubs
trap_stubs:
.set i, 0
.rept 48
    ADDRESS_NUMBER %i
    .set i, i + 1
.endr
    ADDRESS_NUMBER 128

.section .note.GNU-stack, "", @progbits
