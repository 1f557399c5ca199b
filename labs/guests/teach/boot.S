/*
 * The first instructions: from whatever loaded us, in 32-bit protected mode
 * without paging, to kernel_main() at C0000000h and up.
 *
 * Two loaders know us: any multiboot one (EAX = 2BADB002h, EBX = its info)
 * and our own boot sector (EAX = 0).  Multiboot specification 0.6.96.
 */
#define KERNEL_BASE 0xC0000000
#define PHYS(x)     ((x) - KERNEL_BASE)

#define MB_MAGIC 0x1BADB002
#define MB_FLAGS 0x00000003 /* modules on page borders, tell memory size */

.section .multiboot, "a"
.balign 4
multiboot_header:
    .long MB_MAGIC
    .long MB_FLAGS
    .long -(MB_MAGIC + MB_FLAGS)

.section .boot.text, "ax"
.global _start
_start:
    cli
    cld
    mov     %eax, %ebp                  /* keep the loader's words */
    mov     %ebx, %esi

    mov     $PHYS(__bss_start), %edi    /* a flat image has no zeroed .bss */
    mov     $PHYS(__bss_end), %ecx
    sub     %edi, %ecx
    xor     %eax, %eax
    rep stosb

    /*
     * One page table maps the first 4 MiB twice: where they are, so that the
     * next instruction is still there when paging comes on, and at
     * KERNEL_BASE, where we were linked.
     */
    mov     $PHYS(boot_table), %edi
    mov     $3, %eax                    /* present, writable */
1:  stosl
    add     $4096, %eax
    cmp     $0x400003, %eax
    jne     1b
    movl    $PHYS(boot_table) + 3, PHYS(kernel_dir)
    movl    $PHYS(boot_table) + 3, PHYS(kernel_dir) + (KERNEL_BASE >> 22) * 4

    mov     $PHYS(kernel_dir), %eax
    mov     %eax, %cr3
    mov     %cr0, %eax
    or      $0x80010001, %eax           /* PG, WP, PE */
    mov     %eax, %cr0
    mov     $high, %eax
    jmp     *%eax

.text
high:
    movl    $0, kernel_dir              /* the low copy has done its work */
    mov     %cr3, %eax
    mov     %eax, %cr3
    mov     $boot_stack_top, %esp
    push    %esi
    push    %ebp
    xor     %ebp, %ebp                  /* the end of every backtrace */
    call    kernel_main
2:  cli
    hlt
    jmp     2b

.bss
.balign 4096
.global kernel_dir, boot_table
kernel_dir: .skip 4096
boot_table: .skip 4096
boot_stack: .skip 4096
boot_stack_top:

.section .note.GNU-stack, "", @progbits
