/* This process's pages, as its page tables have them now. */
#include "user.h"

#define PAGE_SIZE 4096u

int main(int argc, char **argv)
{
    struct page_info page = {0, 0};
    uint32_t pages = 0;

    (void)argc;
    (void)argv;
    printf("LINEAR   FRAME    BITS\n");
    for (; syscall(SYS_PAGE_NEXT, page.va, ADDR(&page), 0) == 0;
         page.va += PAGE_SIZE) {
        printf("%08x %08x %s%s%s%s\n", page.va, page.pte & ~4095u,
               page.pte & 4 ? "user " : "", page.pte & 2 ? "write " : "",
               page.pte & 0x20 ? "accessed " : "",
               page.pte & 0x40 ? "dirty" : "");
        pages++;
    }
    printf("%u pages here, %d frames free in the machine\n", pages,
           syscall(SYS_FRAMES, 0, 0, 0));
    return 0;
}
