/*
 * Entering and leaving translated code, and what it calls.  See bt_cpu.h for
 * the registers.  Nothing here knows a guest instruction.
 */
#include "vmm/accel/bt/bt_cpu.h"

#define ARITH_AND_DF 0xcd5    /* CF PF AF ZF SF DF OF */
#define POPF_SYSTEM  0x247100 /* TF IOPL NT AC ID: not ours to change */
#define EFLAGS_IF    0x200
#define CALLOUT_SIZE 12 /* bytes that emit_callout() emits */

    .intel_syntax noprefix
    .text

/* void bt_enter(struct x86_state *r15) */
    .globl bt_enter
    .type bt_enter, @function
bt_enter:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    sub rsp, 8
    mov r15, rdi
    mov [r15 + BT_CPU_HOST_RSP], rsp
    cmp byte ptr [r15 + BT_CPU_FPU_ENTER], 0
    je 1f
    mov rax, [r15 + BT_CPU_FXSAVE]
    fxrstor64 [rax]
    mov byte ptr [r15 + BT_CPU_FPU_ENTER], 0
    mov byte ptr [r15 + BT_CPU_X87_DEAD], 0
    mov al, [r15 + BT_CPU_SSE_OFF]
    mov [r15 + BT_CPU_SSE_DEAD], al
1:  mov r13, [r15 + BT_CPU_R13]
    mov r14, [r15 + BT_CPU_R14]
    mov eax, [r15 + BT_CPU_HFLAGS]
    push rax
    popfq
    mov eax, [r15]
    mov ecx, [r15 + 8]
    mov edx, [r15 + 16]
    mov ebx, [r15 + 24]
    mov r12d, [r15 + 32]
    mov ebp, [r15 + 40]
    mov esi, [r15 + 48]
    mov edi, [r15 + 56]
    mov r11, [r15 + BT_CPU_R11]
    jmp [r15 + BT_CPU_TARGET]
    .size bt_enter, . - bt_enter

/* Translated code jumps here with R11 = the address that was not found. */
    .globl bt_miss
    .type bt_miss, @function
bt_miss:
    mov dword ptr [r15 + BT_CPU_EXIT_INFO], BT_EXIT_MISS << BT_EXIT_KIND_SHIFT
    /* falls through */
    .size bt_miss, . - bt_miss

/*
 * The guest's FPU state to [RAX], the monitor's instead.  The last x87
 * instruction's opcode and addresses are the host's: not the guest's business,
 * and different in every run; the image keeps its own (save_cpu() in
 * native.c).  MXCSR_MASK likewise.  Uses RCX, RDX and RSI.
 */
    .macro save_fpu
    movzx ecx, word ptr [rax + 6]
    mov rdx, [rax + 8]
    mov rsi, [rax + 16]
    fxsave64 [rax]
    mov [rax + 6], cx
    mov [rax + 8], rdx
    mov [rax + 16], rsi
    mov dword ptr [rax + 28], 0xffff
    fninit
    ldmxcsr [r15 + BT_CPU_MXCSR]
    .endm

/* All ways out: exit_info says why.  Returns from bt_enter(). */
    .globl bt_exit
    .type bt_exit, @function
bt_exit:
    mov [r15], rax
    mov [r15 + 8], rcx
    mov [r15 + 16], rdx
    mov [r15 + 24], rbx
    mov [r15 + 32], r12
    mov [r15 + 40], rbp
    mov [r15 + 48], rsi
    mov [r15 + 56], rdi
    mov [r15 + BT_CPU_R13], r13
    mov [r15 + BT_CPU_R11], r11
    pushfq
    pop rax
    cld
    and eax, ARITH_AND_DF
    mov [r15 + BT_CPU_HFLAGS], eax
    cmp byte ptr [r15 + BT_CPU_X87_DEAD], 0
    jne 1f
    mov rax, [r15 + BT_CPU_FXSAVE]
    save_fpu
    mov byte ptr [r15 + BT_CPU_X87_DEAD], 1
    mov byte ptr [r15 + BT_CPU_SSE_DEAD], 1
    mov byte ptr [r15 + BT_CPU_FPU_ENTER], 1
1:  mov rsp, [r15 + BT_CPU_HOST_RSP]
    add rsp, 8
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
    .size bt_exit, . - bt_exit

/*
 * Called before an FPU instruction that found the state dead.  R10 holds ECX,
 * R11 is 0 for x87 and 1 for SSE, exit_info is that of a call-out.  Leaves if
 * the instruction may not run natively.  No flag changes.
 */
    .globl bt_fpu_load
    .type bt_fpu_load, @function
bt_fpu_load:
    movzx ecx, byte ptr [r15 + r11 + BT_CPU_X87_OFF]
    jrcxz 1f
    pop r11
    mov rcx, r10
    jmp bt_exit
1:  mov r11, [r15 + BT_CPU_FXSAVE]
    fxrstor64 [r11]
    mov byte ptr [r15 + BT_CPU_X87_DEAD], 0
    movzx r11d, byte ptr [r15 + BT_CPU_SSE_OFF]
    mov [r15 + BT_CPU_SSE_DEAD], r11b
    ret
    .size bt_fpu_load, . - bt_fpu_load

/* R11D = EFLAGS as PUSHF stores them. */
    .globl bt_pushf
    .type bt_pushf, @function
bt_pushf:
    pushfq
    mov r11, [rsp]
    and r11d, ARITH_AND_DF
    or r11d, [r15 + BT_CPU_SYS_FLAGS]
    movzx r10d, byte ptr [r15 + BT_CPU_IFLAG]
    shl r10d, 9
    or r11d, r10d
    popfq
    ret
    .size bt_pushf, . - bt_pushf

/*
 * POPF of R11D at CPL 0.  Done: returns behind the call-out that follows the
 * call; else to the call-out.
 */
    .globl bt_popf
    .type bt_popf, @function
bt_popf:
    pushfq
    mov r10d, r11d
    xor r10d, [r15 + BT_CPU_SYS_FLAGS]
    test r10d, POPF_SYSTEM
    jnz 2f
    test r11d, EFLAGS_IF
    jz 1f
    cmp byte ptr [r15 + BT_CPU_IRQ_LINE], 0
    jne 2f
1:  mov r10d, r11d
    shr r10d, 9
    and r10d, 1
    mov [r15 + BT_CPU_IFLAG], r10b
    and r11d, ARITH_AND_DF
    or r11d, 0x202
    mov [rsp], r11
    inc qword ptr [r15 + BT_CPU_INLINED_POPF]
    popfq
    pop r10
    lea r10, [r10 + CALLOUT_SIZE]
    jmp r10
2:  popfq
    ret
    .size bt_popf, . - bt_popf

    .macro load_volatile
    mov eax, [r15]
    mov ecx, [r15 + 8]
    mov edx, [r15 + 16]
    mov esi, [r15 + 48]
    mov edi, [r15 + 56]
    popfq
    .endm

/*
 * Called at a breakpoint, with exit_info set.  Shows bt_ask_breakpoints() the whole
 * state; goes on as if nothing had been, or leaves.
 */
    .globl bt_ask
    .type bt_ask, @function
bt_ask:
    pushfq /* the stack is aligned now */
    mov [r15], rax
    mov [r15 + 8], rcx
    mov [r15 + 16], rdx
    mov [r15 + 24], rbx
    mov [r15 + 32], r12
    mov [r15 + 40], rbp
    mov [r15 + 48], rsi
    mov [r15 + 56], rdi
    mov [r15 + BT_CPU_R13], r13
    mov eax, [rsp]
    cld
    and eax, ARITH_AND_DF
    mov [r15 + BT_CPU_HFLAGS], eax
    cmp byte ptr [r15 + BT_CPU_X87_DEAD], 0
    jne 1f
    mov rax, [r15 + BT_CPU_FXSAVE]
    save_fpu
1:  mov rdi, r15
    call bt_ask_breakpoints
    cmp byte ptr [r15 + BT_CPU_X87_DEAD], 0
    jne 2f
    mov rcx, [r15 + BT_CPU_FXSAVE]
    fxrstor64 [rcx]
2:  test eax, eax
    jne 3f
    load_volatile
    ret
3:  load_volatile
    mov dword ptr [r15 + BT_CPU_EXIT_INFO], BT_EXIT_ASKED << BT_EXIT_KIND_SHIFT
    jmp bt_exit
    .size bt_ask, . - bt_ask

    .section .note.GNU-stack,"",@progbits
