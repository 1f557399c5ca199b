/*
 * The boot sector of the disk image: from real mode at 0:7C00h to the kernel
 * at 1 MiB, without a BIOS call.  It opens the A20 gate, enters protected
 * mode and reads the flat kernel, which follows on the disk, from the first
 * ATA disk (ATA/ATAPI-4, 8.27 READ SECTOR(S); LBA, polled).
 *
 * KERNEL_SECTORS comes from the build.
 */
#define LOAD_ADDRESS 0x100000

#define ATA_DATA    0x1F0
#define ATA_COUNT   0x1F2
#define ATA_LBA     0x1F3       /* three registers: bits 0-7, 8-15, 16-23 */
#define ATA_DEVICE  0x1F6       /* E0h: LBA, first disk */
#define ATA_COMMAND 0x1F7       /* also its status */
#define ATA_READ    0x20
#define ATA_BSY_DRQ 0x88

.code16
.section .text
.global _start
_start:
    cli
    cld
    xor     %ax, %ax
    mov     %ax, %ds
    inb     $0x92, %al                  /* A20 through port 92h, no reset */
    or      $0x02, %al
    and     $0xFE, %al
    outb    %al, $0x92
    lgdt    gdtr
    mov     %cr0, %eax
    or      $1, %al
    mov     %eax, %cr0
    ljmp    $0x08, $protected

.code32
protected:
    mov     $0x10, %ax
    mov     %ax, %ds
    mov     %ax, %es
    mov     %ax, %ss
    mov     $0x7C00, %esp
    mov     $LOAD_ADDRESS, %edi
    mov     $1, %ebx                    /* sector; 0 is this one */
1:  call    read_sector
    inc     %ebx
    cmp     $KERNEL_SECTORS, %ebx
    jbe     1b
    xor     %eax, %eax                  /* no multiboot loader */
    mov     $LOAD_ADDRESS + ENTRY_OFFSET, %ecx
    jmp     *%ecx

/* Sector EBX to EDI, which moves on. */
read_sector:
    mov     $ATA_COUNT, %dx
    mov     $1, %al
    outb    %al, %dx
    mov     %ebx, %eax
    mov     $3, %ecx
2:  inc     %dx                         /* 1F3h, 1F4h, 1F5h */
    outb    %al, %dx
    shr     $8, %eax
    loop    2b
    inc     %dx
    mov     $0xE0, %al
    outb    %al, %dx
    inc     %dx
    mov     $ATA_READ, %al
    outb    %al, %dx
3:  inb     %dx, %al
    and     $ATA_BSY_DRQ, %al
    cmp     $0x08, %al                  /* not busy, has data */
    jne     3b
    mov     $ATA_DATA, %dx
    mov     $256, %ecx
    rep insw
    ret

.balign 8
gdt:
    .quad   0
    .quad   0x00CF9A000000FFFF          /* flat code */
    .quad   0x00CF92000000FFFF          /* flat data */
gdtr:
    .word   . - gdt - 1
    .long   gdt

    .org    510
    .word   0xAA55
