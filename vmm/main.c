/* The `ringside` command.  All else is linked into the unit tests as well. */
#include "vmm/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
