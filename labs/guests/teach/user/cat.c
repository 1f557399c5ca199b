/* Prints a file. */
#include "user.h"

static int print(uint32_t index)
{
    struct file_chunk chunk;
    uint32_t at = 0;
    int n;

    while ((n = syscall(SYS_FILE_READ, index, at, ADDR(&chunk))) > 0) {
        syscall(SYS_WRITE, ADDR(&chunk), (uint32_t)n, 0);
        at += (uint32_t)n;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct file_info f;

    for (uint32_t i = 0; syscall(SYS_FILE_INFO, i, ADDR(&f), 0) == 0; i++) {
        if (argc > 1 && str_equal(argv[1], f.name)) {
            return print(i);
        }
    }
    printf("cat: no such file; try ls\n");
    return 1;
}
