/*
 * The guest of the golden screens: small, and the same with every compiler.
 * Multiboot; turns paging on with 4 KiB pages below 4 MiB and one 4 MiB page
 * at C0000000, prints on COM1 and the text screen, calls through a stack of
 * functions, touches a page that is not there (the handler maps it), and ends.
 */
#define MAGIC 0x1badb002
#define PTE_P 1
#define PTE_W 2
#define PTE_U 4
#define PDE_PS 0x80
#define HOLE 0x200000 /* not mapped until it is touched */

        .section .multiboot, "a"
        .long   MAGIC, 0, -MAGIC

        .text
        .globl  start
        .type   start, @function
start:
        cli
        movl    $stack_top, %esp
        lgdt    gdt_pointer
        ljmp    $8, $1f
1:      movl    $16, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        call    make_tables
        call    enable_paging
        movl    $page_fault, %eax
        movw    %ax, idt + 14 * 8
        movw    $8, idt + 14 * 8 + 2
        movw    $0x8e00, idt + 14 * 8 + 4 /* 32-bit interrupt gate */
        movl    $page_fault, %eax
        shrl    $16, %eax
        movw    %ax, idt + 14 * 8 + 6
        lidt    idt_pointer
        movl    $message, %esi
        call    print
        call    outer
        movl    $done, %esi
        call    print
        xorl    %eax, %eax
        outb    %al, $0xf4
hang:   hlt
        jmp     hang
        .size   start, . - start

        .type   make_tables, @function
make_tables: /* identity, but for HOLE */
        movl    $page_table, %edi
        movl    $(PTE_P | PTE_W | PTE_U), %eax
1:      movl    %eax, (%edi)
        addl    $4, %edi
        addl    $4096, %eax
        cmpl    $(0x400000 | PTE_P | PTE_W | PTE_U), %eax
        jne     1b
        movl    $0, page_table + HOLE / 4096 * 4
        movl    $page_table, %eax
        orl     $(PTE_P | PTE_W | PTE_U), %eax
        movl    %eax, page_directory
        movl    $(PTE_P | PTE_W | PDE_PS), page_directory + 0x300 * 4
        ret
        .size   make_tables, . - make_tables

        .type   enable_paging, @function
enable_paging:
        movl    %cr4, %eax
        orl     $0x10, %eax /* PSE */
        movl    %eax, %cr4
        movl    $page_directory, %eax
        movl    %eax, %cr3
        movl    %cr0, %eax
        orl     $0x80010000, %eax /* PG, WP */
        movl    %eax, %cr0
        ret
        .size   enable_paging, . - enable_paging

        .type   outer, @function
outer:
        pushl   %ebp
        movl    %esp, %ebp
        pushl   $3
        call    inner
        addl    $4, %esp
        popl    %ebp
        ret
        .size   outer, . - outer

        .type   inner, @function
inner:
        pushl   %ebp
        movl    %esp, %ebp
        movl    8(%ebp), %ecx
1:      movl    %ecx, counter
        loop    1b
        movl    $0x12345678, HOLE + 0x10
        movl    0xc0000000 + counter, %eax
        popl    %ebp
        ret
        .size   inner, . - inner

        .type   print, @function
print: /* the text at ESI, to COM1 and the first line of the screen */
        movl    $0xb8000, %edi
        movl    $0x3f8, %edx
1:      lodsb
        testb   %al, %al
        jz      2f
        outb    %al, %dx
        movb    $7, %ah
        stosw
        jmp     1b
2:      ret
        .size   print, . - print

        .type   page_fault, @function
page_fault: /* maps the page itself */
        pushl   %eax
        movl    %cr2, %eax
        shrl    $12, %eax
        pushl   %eax
        shll    $12, %eax
        orl     $(PTE_P | PTE_W), %eax
        popl    %ecx
        movl    %eax, page_table(, %ecx, 4)
        popl    %eax
        addl    $4, %esp
        iret
        .size   page_fault, . - page_fault

        .section .rodata
message: .asciz "Hello from the golden guest.\n"
done:    .asciz "Done.\n"

        .data
        .align  8
gdt:    .quad   0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   gdt
        .align  8
idt:    .fill   14, 8, 0
        .quad   0 /* page fault: `start` writes the gate */
idt_pointer:
        .word   idt_pointer - idt - 1
        .long   idt
        .globl  counter
counter: .long  0

        .bss
        .align  4096
page_directory: .skip 4096
page_table:     .skip 4096
        .skip   4096
stack_top:
