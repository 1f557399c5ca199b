/* Says who and where we are: the selectors show the ring. */
#include "user.h"

int main(int argc, char **argv)
{
    uint32_t cs, esp;

    (void)argc;
    __asm__("mov %%cs, %0" : "=r"(cs));
    __asm__("mov %%esp, %0" : "=r"(esp));
    printf("Hello, I am %s, process %d, in ring %u with CS %02x.\n", argv[0],
           syscall(SYS_GETPID, 0, 0, 0), cs & 3, cs);
    printf("My code is at %08x, my stack at %08x.\n", ADDR(main), esp);
    return 0;
}
