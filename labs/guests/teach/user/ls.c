/* Lists the files. */
#include "user.h"

int main(int argc, char **argv)
{
    struct file_info f;

    (void)argc;
    (void)argv;
    for (uint32_t i = 0; syscall(SYS_FILE_INFO, i, ADDR(&f), 0) == 0; i++) {
        printf("%6u %s\n", f.size, f.name);
    }
    return 0;
}
