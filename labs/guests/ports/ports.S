/*
 * A boot sector that shows what an exit is, in real mode alone: it writes a
 * line to the serial port and to the screen, asks the clock a hundred times,
 * works without an exit, and switches the machine off.
 *
 * For hosts whose KVM can do no more than that, and for a first lecture.
 * Interrupts stay off: what it does is what is counted.
 */
#define COM1    0x3f8
#define RTC     0x70
#define SCREEN  0xb800
#define PM1_CNT 0x604  /* ACPI: the FADT says where */
#define S5      0x2000 /* SLP_EN; the SLP_TYP of \_S5 is 0 */

        .code16
        .globl  _start
_start:
        cli
        cld
        xor     %ax, %ax
        mov     %ax, %ds
        mov     $SCREEN, %ax
        mov     %ax, %es

        mov     $text, %si      /* each byte: an OUT, a write to B8000h */
        xor     %di, %di
        mov     $0x07, %ah
        mov     $COM1, %dx
1:      lodsb
        test    %al, %al
        jz      2f
        out     %al, %dx
        stosw
        jmp     1b

2:      mov     $100, %cx       /* the seconds: an OUT, an IN */
3:      xor     %al, %al
        out     %al, $RTC
        in      $RTC + 1, %al
        loop    3b

        mov     $1000000, %ecx  /* three million instructions, no exit */
4:      add     %ecx, %eax
        dec     %ecx
        jnz     4b

        mov     $S5, %ax
        mov     $PM1_CNT, %dx
        out     %ax, %dx
5:      jmp     5b

text:   .asciz  "Ports, the screen, and three million instructions.\r\n"
        .org    510
        .word   0xaa55
