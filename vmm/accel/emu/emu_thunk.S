/*
 * Runs one emitted instruction with the guest's registers.
 *
 *     int emu_thunk(struct emu_native_ctx *ctx, const void *code)
 *
 * ctx stays in r15, which 16- and 32-bit code cannot name (nor r13 and r14);
 * the 64-bit thunks find it on the stack.  Flags travel without POPF, which is slow and would
 * carry more than the arithmetic ones: AL + 7Fh sets OF, SAHF the rest.
 *
 * A host exception in the code makes the signal handler jump to
 * emu_thunk_abort, with rsp as the code had it: the return address on top.
 */
#define GPR(n)     8*(n)(%r15)
#define FLAGS      128(%r15)
#define HOST_RSP   136(%r15)
#define FXSAVE     144(%r15)
#define CODE       152(%r15)
#define HOST_MXCSR 160(%r15)
#define REGS       168(%r15) /* where 32-bit code's registers are */

    .text

.macro prologue
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov  %rdi, %r15
    mov  %rsp, HOST_RSP
.endm

.macro load_fpu
    stmxcsr HOST_MXCSR
    mov  FXSAVE, %rax
    fxrstor64 (%rax)
.endm

/* The registers that 32-bit code has, from and to the array at BASE. */
.macro load base
    mov  FLAGS, %rax
    mov  8*1(\base), %rcx
    mov  8*2(\base), %rdx
    mov  8*3(\base), %rbx
    mov  8*5(\base), %rbp
    mov  8*6(\base), %rsi
    mov  8*7(\base), %rdi
    add  $0x7f, %al
    sahf
    mov  (\base), %rax
.endm

.macro store base
    mov  %rax, (\base)
    lahf
    seto %al
    mov  %rax, FLAGS
    mov  %rcx, 8*1(\base)
    mov  %rdx, 8*2(\base)
    mov  %rbx, 8*3(\base)
    mov  %rbp, 8*5(\base)
    mov  %rsi, 8*6(\base)
    mov  %rdi, 8*7(\base)
.endm

.macro run32
    mov  %rsi, %r14
    mov  REGS, %r13
    load %r13
    call *%r14
    store %r13
.endm

.macro save_fpu
    mov  FXSAVE, %rcx
    fxsave64 (%rcx)
    fninit
    ldmxcsr HOST_MXCSR
.endm

/* 32 bytes at ctx->gpr[8] */
.macro load_high
    mov  GPR(8), %r8
    mov  GPR(9), %r9
    mov  GPR(10), %r10
    mov  GPR(11), %r11
    mov  GPR(12), %r12
    mov  GPR(13), %r13
    mov  GPR(14), %r14
.endm

.macro function name
    .globl \name
    .type \name, @function
    .p2align 4
\name:
.endm

function emu_thunk
    prologue
    run32
    xor  %eax, %eax
.Lleave:
    pop  %r15
    pop  %r14
    pop  %r13
    pop  %r12
    pop  %rbx
    pop  %rbp
    ret

function emu_thunk_fpu
    prologue
    load_fpu
    run32
    save_fpu
    xor  %eax, %eax
    jmp  .Lleave

/*
 * 64-bit: the instruction may name every register but rsp, for which
 * another one stands.
 */
.macro run64
    push %rdi                   /* ctx */
    mov  %rsi, CODE
    load_high
    load %r15
    push CODE
    mov  GPR(15), %r15
    call *(%rsp)
    xchg %r15, 8(%rsp)          /* ctx <-> guest's r15 */
    store %r15
    mov  %r8, GPR(8)
    mov  %r9, GPR(9)
    mov  %r10, GPR(10)
    mov  %r11, GPR(11)
    mov  %r12, GPR(12)
    mov  %r13, GPR(13)
    mov  %r14, GPR(14)
    mov  8(%rsp), %rax
    mov  %rax, GPR(15)
    mov  HOST_RSP, %rsp
.endm

function emu_thunk64
    prologue
    run64
    xor  %eax, %eax
    jmp  .Lleave

function emu_thunk64_fpu
    prologue
    load_fpu
    run64
    save_fpu
    xor  %eax, %eax
    jmp  .Lleave

/* The signal handler has put ctx into r15. */
function emu_thunk_abort
    mov  HOST_RSP, %rsp
    mov  $1, %eax
    jmp  .Lleave

function emu_thunk_abort_fpu
    mov  HOST_RSP, %rsp
    save_fpu
    mov  $1, %eax
    jmp  .Lleave

    .section .note.GNU-stack,"",@progbits
